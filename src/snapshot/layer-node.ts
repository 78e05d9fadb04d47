import { type Dirent, lstatSync } from 'node:fs';
import type { ByteString } from '../bytes/index.ts';
import { errnoOf, lgetxattr } from '../platform/index.ts';
import { reachInside } from './reach-inside.ts';
import type { LayerNodeKind } from './types.ts';

/** NAME_MAX of every file system that layers lie on. */
const MAX_NAME_BYTES = 255;

/**
 * Returns what a layer directory in overlay form has at `path`. Every parent of `path` must be a real directory of that
 * layer, because a symlink of the image could lead out of it.
 * https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
 */
export function layerNode(layer: string, path: ByteString): LayerNodeKind {
  // No node has a name that is too long for one, which a link can ask for.
  if (path.length - path.lastIndexOf('/') - 1 > MAX_NAME_BYTES) return 'absent';
  try {
    const found = reachInside(layer, path, (at) => lstatSync(at, { throwIfNoEntry: false }));
    if (found === undefined) return 'absent';
    if (found.isDirectory()) return 'directory';
    if (found.isSymbolicLink()) return 'symlink';
    return found.isCharacterDevice() && found.rdev === 0 ? 'whiteout' : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'absent';
    throw error;
  }
}

/** Returns the same for an entry of a listing; its type is trusted where it says enough. */
export function listedNode(
  layer: string,
  path: ByteString,
  entry: Pick<Dirent, 'isDirectory' | 'isFile' | 'isSymbolicLink'>,
): LayerNodeKind {
  if (entry.isDirectory()) return 'directory';
  if (entry.isFile()) return 'other';
  return entry.isSymbolicLink() ? 'symlink' : layerNode(layer, path);
}

/** True for a directory that hides the contents of those below. */
export function isOpaqueDirectory(layer: string, path: ByteString): boolean {
  return reachInside(layer, path, (at) => lgetxattr(at, 'trusted.overlay.opaque')?.toString() === 'y');
}
