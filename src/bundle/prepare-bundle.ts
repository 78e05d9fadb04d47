import { mkdirSync, readdirSync, realpathSync, unlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { makeDirectories } from '../platform/index.ts';
import {
  CONFIG_NAME,
  identityAt,
  identityOf,
  isHalfWritten,
  lstatIfAny,
  mountedAt,
  NEW_BUNDLE_HINT,
  ROOTFS_NAME,
  refuseBundle,
} from './bundle-directory.ts';
import type { ClaimedBundle, GivenBundle, PreparedBundle } from './types.ts';

/** Bounds of the Linux kernel. */
const PATH_MAX = 4096;
const NAME_MAX = 255;

/**
 * Creates the bundle directory (0700) or takes an existing one: a real directory to which only its owner can write.
 * Throws `BUNDLE_INVALID` for anything else, and when a given directory is missing or not below its roots.
 */
export function claimBundle(unsafePath: string, given?: GivenBundle): ClaimedBundle {
  // The path is attacker-controlled: it came over a socket.
  if (given !== undefined && !isPlainPath(unsafePath)) {
    refuseBundle(unsafePath.slice(0, PATH_MAX), 'expected an absolute path without dots, double slashes and NUL');
  }
  const requested = resolve(unsafePath);
  const created = given === undefined && makeDirectory(requested);
  const stat = lstatIfAny(requested);
  if (stat === undefined && given === undefined) {
    refuseBundle(requested, 'expected a path that can be a directory', { hint: NEW_BUNDLE_HINT });
  }
  if (stat === undefined) refuseBundle(requested, 'expected a directory that its runtime has created, got nothing');
  if (!stat.isDirectory()) {
    refuseBundle(requested, 'expected a directory, got a link or another file', { hint: NEW_BUNDLE_HINT });
  }
  if (stat.uid !== BigInt(process.geteuid?.() ?? 0) || (stat.mode & 0o022n) !== 0n) {
    const mode = (stat.mode & 0o7777n).toString(8);
    refuseBundle(requested, `expected a directory that only its owner writes to, got uid ${stat.uid}, mode ${mode}`);
  }
  const directory = realpathSync(requested);
  if (given !== undefined) assertBelowRoots(requested, directory, given);
  return { directory, created, identity: identityOf(stat), isGiven: given !== undefined };
}

/** Checks both the requested path and the real one, so that no link on the way leads out of the roots. */
function assertBelowRoots(requested: string, directory: string, { roots }: GivenBundle): void {
  const isBelow = (path: string, root: string) => path.startsWith(`${root.replace(/\/+$/, '')}/`);
  if (roots.some((root) => isBelow(requested, root) && isBelow(directory, realpathIfAny(root)))) return;
  throw new SealiftError(
    'BUNDLE_INVALID',
    `bundle ${requested}: expected a directory below ${roots.join(' or ')}, got ${directory}`,
    { context: { directory: requested }, hint: 'add a directory above it to api.bundle_roots' },
  );
}

function isPlainPath(path: string): boolean {
  const isWhole = path.length < PATH_MAX && path.split('/').every((name) => name.length <= NAME_MAX);
  return isWhole && !path.includes('\0') && path === resolve(path);
}

function realpathIfAny(path: string): string {
  return lstatIfAny(path) === undefined ? path : realpathSync(path);
}

/** Creates the directory; returns false when something of that name exists. */
function makeDirectory(directory: string): boolean {
  try {
    makeDirectories(resolve(directory, '..'), 0o755);
    mkdirSync(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    return refuseBundle(directory, 'expected to create it, got an error', { cause: error, hint: NEW_BUNDLE_HINT });
  }
}

/** Returns the identity of a rootfs that was created; undefined: an empty one was there. */
function claimRootfs(directory: string, rootfs: string): string | undefined {
  const stat = lstatIfAny(rootfs);
  if (stat === undefined) {
    try {
      mkdirSync(rootfs, { mode: 0o700 });
    } catch (error) {
      refuseBundle(directory, 'rootfs: expected to create it, got an error', { cause: error });
    }
    return identityAt(rootfs);
  }
  if (!stat.isDirectory()) refuseBundle(directory, 'rootfs: expected a directory, got a link or another file');
  if (mountedAt(rootfs).length > 0) refuseBundle(directory, 'rootfs: expected nothing mounted on it, got a mount');
  if (readdirSync(rootfs).length > 0) {
    refuseBundle(directory, 'rootfs: expected an empty directory, got one with files');
  }
  return undefined;
}

/**
 * Creates an empty DIR/rootfs to mount on, or takes the one that is there. Call it with DIR locked. Throws
 * `BUNDLE_INVALID` when something is mounted there, and when a DIR that is not given has a config.json: the caller must
 * undo an earlier bundle first.
 */
export function prepareBundle({ directory, created, identity, isGiven }: ClaimedBundle): PreparedBundle {
  const hasConfig = lstatIfAny(join(directory, CONFIG_NAME)) !== undefined;
  if (hasConfig && !isGiven) {
    refuseBundle(directory, 'expected a directory without config.json, got one of an earlier bundle');
  }
  const rootfs = join(directory, ROOTFS_NAME);
  const madeRootfs = claimRootfs(directory, rootfs);
  // The lock is held, so no other pull works on this bundle.
  for (const name of readdirSync(directory).filter(isHalfWritten)) unlinkSync(join(directory, name));
  return { directory, rootfs, created, madeRootfs, identity, hasConfig };
}
