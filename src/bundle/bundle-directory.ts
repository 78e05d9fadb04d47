import { type BigIntStats, lstatSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { mountPointsUnder, readMounts } from '../platform/index.ts';

export const CONFIG_NAME = 'config.json';
export const ROOTFS_NAME = 'rootfs';

/** True for the name of a partly written config.json that an interrupted pull left behind. */
export function isHalfWritten(name: string): boolean {
  return /^\.config\.json\.[0-9a-f]{16}$/.test(name);
}

export function refuseBundle(directory: string, detail: string, cause?: unknown): never {
  throw new SealiftError('BUNDLE_INVALID', `bundle ${directory}: ${detail}`, { context: { directory }, cause });
}

export function lstatIfAny(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Device, inode number and time of birth: an inode number may be reused for another file, but its birth differs. */
export function identityOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}

/** Returns the identity of what is at `path`; undefined: nothing is. */
export function identityAt(path: string): string | undefined {
  const stat = lstatIfAny(path);
  return stat === undefined ? undefined : identityOf(stat);
}

/** Lists the mount points at and below `rootfs` in this mount namespace, last mounted first. */
export function mountedAt(rootfs: string): readonly string[] {
  return mountPointsUnder(readMounts(), rootfs);
}
