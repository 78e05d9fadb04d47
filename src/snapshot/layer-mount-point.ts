import { lstatSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SealiftError } from '../errors/index.ts';

const EROFS_SUPER_MAGIC = 0xe0f5e1e2;
/** Keys become names of directories, so anything that could be another path is refused. */
function isMountKey(name: string): boolean {
  return /^[a-z0-9-]{1,255}$/.test(name);
}

/** Returns the directory on which the image of a layer is mounted. Throws INTERNAL for a text that is not a key. */
export function layerMountPoint(mountsDir: string, key: string): string {
  if (isMountKey(key)) return join(mountsDir, key);
  throw new SealiftError('INTERNAL', `mount layer: expected a layer key, got "${key}"`);
}

/** The block device that a layer is mounted from, as the kernel calls it. */
export interface MountedDevice {
  readonly kind: 'loop' | 'mapping';
  /** The name of the loop device, such as `loop3`, or of the mapping. */
  readonly name: string;
}

/**
 * Returns the device whose EROFS is mounted at `mountPoint`, or undefined when there is none. The kernel answers from
 * memory, without waiting for a disk.
 */
export function mountedDevice(mountPoint: string): MountedDevice | undefined {
  const device = lstatSync(mountPoint, { bigint: true, throwIfNoEntry: false })?.dev;
  if (device === undefined || statfsSync(mountPoint).type !== EROFS_SUPER_MAGIC) return undefined;
  const [major, minor] = [(device >> 8n) & 0xfffn, (device & 0xffn) | ((device >> 12n) & 0xfff00n)];
  const folder = `/sys/dev/block/${major}:${minor}`;
  const name = basename(readlinkSync(folder));
  if (/^loop[0-9]+$/.test(name)) return { kind: 'loop', name };
  return /^dm-[0-9]+$/.test(name)
    ? { kind: 'mapping', name: readFileSync(`${folder}/dm/name`).toString('utf8').trimEnd() }
    : undefined;
}
