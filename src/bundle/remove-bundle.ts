import { readdirSync, realpathSync, rmdirSync, unlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CONFIG_NAME, isHalfWritten, lstatIfAny, mountedAt, ROOTFS_NAME, refuseBundle } from './bundle-directory.ts';
import type { ExaminedBundle } from './types.ts';

/** Finds a bundle that is to be undone, and its mounts. Throws `BUNDLE_INVALID` when DIR is not a bundle. */
export function examineBundle(requested: string): ExaminedBundle {
  const path = resolve(requested);
  if (!lstatIfAny(path)?.isDirectory()) refuseBundle(path, 'expected a directory');
  const directory = realpathSync(path);
  const rootfs = join(directory, ROOTFS_NAME);
  if (!lstatIfAny(rootfs)?.isDirectory()) {
    refuseBundle(directory, 'expected a bundle, got a directory without a directory rootfs');
  }
  return { directory, rootfs, mountPoints: mountedAt(rootfs) };
}

/**
 * Removes what a pull put into DIR, once its rootfs is unmounted. DIR itself is removed only on request and if it is
 * empty. The rootfs is removed last, so that an interrupted removal can be repeated.
 */
export function removeBundle(
  requested: string,
  {
    alsoDirectory = false,
    keepConfig = false,
  }: { readonly alsoDirectory?: boolean; readonly keepConfig?: boolean } = {},
): void {
  const { directory, rootfs, mountPoints } = examineBundle(requested);
  if (mountPoints.length > 0) refuseBundle(directory, 'rootfs: expected nothing mounted on it, got a mount');
  if (readdirSync(rootfs).length > 0) {
    refuseBundle(directory, 'rootfs: expected an empty directory, got one with files; nothing was removed');
  }
  for (const name of readdirSync(directory)) {
    if ((name === CONFIG_NAME && !keepConfig) || isHalfWritten(name)) unlinkSync(join(directory, name));
  }
  rmdirSync(rootfs);
  if (alsoDirectory && readdirSync(directory).length === 0) rmdirSync(directory);
}
