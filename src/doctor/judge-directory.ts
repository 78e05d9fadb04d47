import { ok } from './checks.ts';
import type { Check, DirectoryFacts } from './types.ts';

const MIB = 1024 * 1024;
/** Each layer image takes one inode; writable layers take one for each file that their programs make. */
const MIN_INODES = 16_384;

/** https://man7.org/linux/man-pages/man2/statfs.2.html */
const MAGIC = { tmpfs: 0x01021994, ramfs: 0x858458f6 } as const;

/** File systems that cannot hold writable layers: without whiteouts or trusted attributes, or an overlay itself. */
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
  const detail = `${examined} is on ${unfit}, which overlayfs does not support for writable layers`;
  return { name, status: 'fail', detail, remedy };
}

export function judgeInodes({ freeInodes, path }: DirectoryFacts): Check {
  const name = 'data-inodes';
  if (freeInodes === undefined) return ok(name, 'the file system makes them when they are needed');
  const detail = `${freeInodes} free in ${path}`;
  if (freeInodes >= MIN_INODES) return ok(name, detail);
  const remedy = `free some until there are ${MIN_INODES} (sealift prune), or make the file system with more (mkfs.ext4 -N, nr_inodes= of tmpfs)`;
  return { name, status: 'warn', detail, remedy };
}

/** A tmpfs may promise more space than there is memory. */
export function judgeBacking(
  { fileSystem, freeBytes, path }: DirectoryFacts,
  availableBytes: number | undefined,
): Check {
  const name = 'data-memory';
  const magic = fileSystem >>> 0;
  if (magic !== MAGIC.tmpfs && magic !== MAGIC.ramfs) return ok(name, `${path} is not in memory`);
  const available = availableBytes === undefined ? 'unknown' : `${Math.floor(availableBytes / MIB)} MiB`;
  const detail = `${path} is in memory: it may take another ${Math.floor(freeBytes / MIB)} MiB, and ${available} are available`;
  if (availableBytes === undefined || freeBytes <= availableBytes) return ok(name, detail);
  const remedy = 'give the machine more memory, or the store less (size= of the tmpfs, volume.memory_size) or a disk';
  return { name, status: 'warn', detail, remedy };
}
