import { readdirSync, realpathSync, rmdirSync, unlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CONFIG_NAME, isHalfWritten, lstatIfAny, mountedAt, ROOTFS_NAME, refuseBundle } from './bundle-directory.ts';
import type { ExaminedBundle } from './types.ts';

/** Finds a bundle to undo, and what is mounted in it; `BUNDLE_INVALID` when DIR is none. */
export function examineBundle(requested: string): ExaminedBundle {
  const path = resolve(requested);
  if (!lstatIfAny(path)?.isDirectory()) refuseBundle(path, 'expected a directory');
  const directory = realpathSync(path);
  const rootfs = join(directory, ROOTFS_NAME);
  if (!lstatIfAny(rootfs)?.isDirectory()) refuseBundle(directory, 'expected a bundle, but it has no directory rootfs');
  return { directory, rootfs, mountPoints: mountedAt(rootfs) };
}

/**
 * Takes away what a pull put into DIR, once its rootfs is unmounted, and leaves DIR unless asked. The rootfs goes last, so that an
 * interrupted removal can be repeated.
 */
export function removeBundle(
  requested: string,
  {
    alsoDirectory = false,
    keepConfig = false,
  }: { readonly alsoDirectory?: boolean; readonly keepConfig?: boolean } = {},
): void {
  const { directory, rootfs, mountPoints } = examineBundle(requested);
  if (mountPoints.length > 0) refuseBundle(directory, 'its rootfs is still mounted');
  if (readdirSync(rootfs).length > 0) refuseBundle(directory, 'its rootfs holds files and no mount; not removed');
  for (const name of readdirSync(directory)) {
    if ((name === CONFIG_NAME && !keepConfig) || isHalfWritten(name)) unlinkSync(join(directory, name));
  }
  rmdirSync(rootfs);
  if (alsoDirectory && readdirSync(directory).length === 0) rmdirSync(directory);
}
