import { lstatSync, readlinkSync, statfsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SealiftError } from '../errors/index.ts';

const EROFS_SUPER_MAGIC = 0xe0f5e1e2;
/** Documentation/admin-guide/devices.txt */
const LOOP_MAJOR = 7n;

/** Keys become names of directories. */
export function isMountKey(name: string): boolean {
  return /^[a-z0-9-]{1,255}$/.test(name);
}

/** Where the image of a layer is mounted. */
export function layerMountPoint(mountsDir: string, key: string): string {
  if (isMountKey(key)) return join(mountsDir, key);
  throw new SealiftError('INTERNAL', `mount layer: expected a layer key, got "${key}"`);
}

/**
 * Name of the loop device whose EROFS is mounted at `place`, such as `loop3`, or undefined when there is no such mount.
 * Asks the kernel for what it has in memory; no disk is waited for.
 */
export function mountedLoop(place: string): string | undefined {
  const device = lstatSync(place, { bigint: true, throwIfNoEntry: false })?.dev;
  if (device === undefined || statfsSync(place).type !== EROFS_SUPER_MAGIC) return undefined;
  const [major, minor] = [(device >> 8n) & 0xfffn, (device & 0xffn) | ((device >> 12n) & 0xfff00n)];
  return major === LOOP_MAJOR ? basename(readlinkSync(`/sys/dev/block/${major}:${minor}`)) : undefined;
}
