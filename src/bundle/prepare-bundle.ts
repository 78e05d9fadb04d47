import { mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  CONFIG_NAME,
  directoryIdentity,
  lstatIfAny,
  mountedAt,
  ROOTFS_NAME,
  refuseBundle,
} from './bundle-directory.ts';
import type { PreparedBundle } from './types.ts';

/** Makes the bundle directory, or finds it: a real directory that nobody else can put things into. */
function claimDirectory(requested: string): { readonly directory: string; readonly created: boolean } {
  const created = makeDirectory(requested);
  const stat = lstatIfAny(requested);
  if (!stat?.isDirectory()) refuseBundle(requested, 'expected a directory, got a link or another file');
  if (stat.uid !== BigInt(process.geteuid?.() ?? 0) || (stat.mode & 0o022n) !== 0n) {
    const mode = (stat.mode & 0o7777n).toString(8);
    refuseBundle(requested, `expected a directory that only its owner writes to, got uid ${stat.uid}, mode ${mode}`);
  }
  return { directory: realpathSync(requested), created };
}

/** False when there is something of that name already. */
function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(resolve(directory, '..'), { recursive: true, mode: 0o755 });
    mkdirSync(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    return refuseBundle(directory, 'cannot be made', error);
  }
}

function claimRootfs(directory: string, rootfs: string): void {
  const stat = lstatIfAny(rootfs);
  if (stat === undefined) {
    mkdirSync(rootfs, { mode: 0o700 });
    return;
  }
  if (!stat.isDirectory()) refuseBundle(directory, 'its rootfs is a link or another file, expected a directory');
  if (mountedAt(rootfs).length > 0) refuseBundle(directory, 'its rootfs is mounted already');
  if (readdirSync(rootfs).length > 0) refuseBundle(directory, 'its rootfs is not empty');
}

/**
 * Makes DIR (0700) and an empty DIR/rootfs to mount on. Throws `BUNDLE_INVALID` when something is mounted there, or when
 * DIR has a config.json: an earlier bundle is undone first.
 */
export function prepareBundle(requested: string): PreparedBundle {
  const { directory, created } = claimDirectory(resolve(requested));
  if (lstatIfAny(join(directory, CONFIG_NAME))) refuseBundle(directory, 'it has a config.json already');
  const rootfs = join(directory, ROOTFS_NAME);
  claimRootfs(directory, rootfs);
  const stat = lstatIfAny(directory) ?? refuseBundle(directory, 'it was removed meanwhile');
  return { directory, rootfs, created, identity: directoryIdentity(stat) };
}
