import { ok } from './checks.ts';
import type { Check, DirectoryFacts } from './types.ts';

const MIB = 1024 * 1024;
/** Layer images take one each, containers' writable layers what their programs make. */
const MIN_INODES = 16_384;

/** https://man7.org/linux/man-pages/man2/statfs.2.html */
const MAGIC = { tmpfs: 0x01021994, ramfs: 0x858458f6 } as const;

/** They cannot bear writable layers: no whiteouts, no trusted attributes, or an overlay below an overlay. */
const NO_UPPER: ReadonlyMap<number, string> = new Map([
  [0x794c7630, 'overlayfs'],
  [0x6969, 'NFS'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9p'],
  [0x4d44, 'FAT'],
  [0x2011bab0, 'exFAT'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0xe0f5e1e2, 'EROFS'],
  [0x73717368, 'squashfs'],
]);

/** https://docs.kernel.org/filesystems/overlayfs.html#upper-and-lower */
export function judgeUpper({ fileSystem, examined }: DirectoryFacts): Check {
  const name = 'overlay-upper';
  const unfit = NO_UPPER.get(fileSystem >>> 0);
  if (unfit === undefined) return ok(name, `${examined} can hold writable layers`);
  const remedy = 'put the data directory on ext4, xfs, btrfs or tmpfs';
  const detail = `${examined} lies on ${unfit}, which overlayfs takes no writable layer from`;
  return { name, status: 'fail', detail, remedy };
}

export function judgeInodes({ freeInodes, path }: DirectoryFacts): Check {
  const name = 'data-inodes';
  if (freeInodes === undefined) return ok(name, 'made as they are needed');
  const detail = `${freeInodes} free in ${path}`;
  if (freeInodes >= MIN_INODES) return ok(name, detail);
  const remedy = `have ${MIN_INODES} free: a file system made with more (mkfs.ext4 -N, nr_inodes= of tmpfs), or prune`;
  return { name, status: 'warn', detail, remedy };
}

/** What is in a tmpfs is in memory: its size is a promise that memory may not keep. */
export function judgeBacking(
  { fileSystem, freeBytes, path }: DirectoryFacts,
  availableBytes: number | undefined,
): Check {
  const name = 'data-memory';
  const magic = fileSystem >>> 0;
  if (magic !== MAGIC.tmpfs && magic !== MAGIC.ramfs) return ok(name, `${path} takes no memory`);
  const available = availableBytes === undefined ? 'unknown' : `${Math.floor(availableBytes / MIB)} MiB`;
  const detail = `${path} lies in memory: ${Math.floor(freeBytes / MIB)} MiB may still go there, ${available} are available`;
  if (availableBytes === undefined || freeBytes <= availableBytes) return ok(name, detail);
  const remedy = 'give the machine more memory, or the store less (size= of the tmpfs, volume.memory_size) or a disk';
  return { name, status: 'warn', detail, remedy };
}
