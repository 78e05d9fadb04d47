import { type BigIntStats, lstatSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { mountPointsUnder, readMounts } from '../platform/index.ts';

export const CONFIG_NAME = 'config.json';
export const ROOTFS_NAME = 'rootfs';

/** What a pull that died has left of a config.json. */
export function isHalfWritten(name: string): boolean {
  return /^\.config\.json\.[0-9a-f]{16}$/.test(name);
}

export function refuseBundle(directory: string, detail: string, cause?: unknown): never {
  throw new SealiftError('BUNDLE_INVALID', `bundle ${directory}: ${detail}`, { context: { directory }, cause });
}

export function lstatIfAny(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Device, inode and birth: an inode number may come back after its directory was removed, its birth does not. */
export function directoryIdentity(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}

/** Mount points at and below `rootfs` in this mount namespace, the last mounted first. */
export function mountedAt(rootfs: string): readonly string[] {
  return mountPointsUnder(readMounts(), rootfs);
}
