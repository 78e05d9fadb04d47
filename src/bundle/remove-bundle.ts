import { readdirSync, realpathSync, rmdirSync, unlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  CONFIG_NAME,
  identityAt,
  isHalfWritten,
  lstatIfAny,
  mountedAt,
  NO_BUNDLE_HINT,
  ROOTFS_NAME,
  refuseBundle,
} from './bundle-directory.ts';
import type { ExaminedBundle, PreparedBundle } from './types.ts';

/** Finds a bundle that is to be undone, and its mounts. Throws `BUNDLE_INVALID` when DIR is not a bundle. */
export function examineBundle(requested: string): ExaminedBundle {
  const path = resolve(requested);
  if (!lstatIfAny(path)?.isDirectory()) refuseBundle(path, 'expected a directory', { hint: NO_BUNDLE_HINT });
  const directory = realpathSync(path);
  const rootfs = join(directory, ROOTFS_NAME);
  if (!lstatIfAny(rootfs)?.isDirectory()) {
    refuseBundle(directory, 'expected a bundle, got a directory without a directory rootfs', { hint: NO_BUNDLE_HINT });
  }
  return { directory, rootfs, mountPoints: mountedAt(rootfs) };
}

/**
 * Removes the bundle in DIR, whose rootfs is unmounted: config.json and the rootfs, and DIR itself never. Call it with
 * DIR locked. The rootfs is removed last, so that an interrupted removal can be repeated.
 */
export function removeBundle(requested: string, { keepConfig = false }: { readonly keepConfig?: boolean } = {}): void {
  const { directory, rootfs, mountPoints } = examineBundle(requested);
  if (mountPoints.length > 0) refuseBundle(directory, 'rootfs: expected nothing mounted on it, got a mount');
  if (readdirSync(rootfs).length > 0) {
    refuseBundle(directory, 'rootfs: expected an empty directory, got one with files; nothing was removed', {
      hint: `nothing is mounted there, so the files are not of an image: move them away, or ${NO_BUNDLE_HINT}`,
    });
  }
  for (const name of readdirSync(directory)) {
    if ((name === CONFIG_NAME && !keepConfig) || isHalfWritten(name)) unlinkSync(join(directory, name));
  }
  rmdirSync(rootfs);
}

/**
 * Removes what a failed pull has made, and nothing else: files and directories are compared with those that the pull
 * created, because another program may have put its own under these names. DIR stays when it is not empty. Call it with
 * DIR locked.
 */
export function abandonBundle(bundle: PreparedBundle, madeConfig?: string): void {
  const { directory, rootfs, created, madeRootfs, identity } = bundle;
  if (identityAt(directory) !== identity) return;
  const config = join(directory, CONFIG_NAME);
  if (madeConfig !== undefined && identityAt(config) === madeConfig) unlinkSync(config);
  for (const name of readdirSync(directory).filter(isHalfWritten)) unlinkSync(join(directory, name));
  if (madeRootfs !== undefined && lstatIfAny(rootfs) !== undefined) {
    if (mountedAt(rootfs).length > 0) refuseBundle(directory, 'rootfs: expected nothing mounted on it, got a mount');
    if (identityAt(rootfs) === madeRootfs) removeEmptyRootfs(directory, rootfs);
  }
  if (created && readdirSync(directory).length === 0) rmdirSync(directory);
}

function removeEmptyRootfs(directory: string, rootfs: string): void {
  if (readdirSync(rootfs).length > 0) {
    refuseBundle(directory, 'rootfs: expected an empty directory, got one with files; it was not removed');
  }
  rmdirSync(rootfs);
}
