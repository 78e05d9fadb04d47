import { type Dirent, lstatSync, type Stats } from 'node:fs';
import type { ByteString } from '../bytes/index.ts';
import { errnoOf, lgetxattr, type SystemPath } from '../platform/index.ts';
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
    return reachInside(layer, path, (at) => kindOf(at, lstatSync(at, { throwIfNoEntry: false })));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'absent';
    throw error;
  }
}

/** Returns the same for an entry of a listing; its type is trusted where it says enough. */
export function listedNode(
  layer: string,
  path: ByteString,
  entry: Pick<Dirent, 'isSymbolicLink' | 'isFile'>,
): LayerNodeKind {
  if (entry.isFile()) return 'other';
  return entry.isSymbolicLink() ? 'symlink' : layerNode(layer, path);
}

function kindOf(node: SystemPath, found: Stats | undefined): LayerNodeKind {
  if (found === undefined) return 'absent';
  if (found.isDirectory()) {
    return lgetxattr(node, 'trusted.overlay.opaque')?.toString() === 'y' ? 'opaque-directory' : 'directory';
  }
  if (found.isSymbolicLink()) return 'symlink';
  return found.isCharacterDevice() && found.rdev === 0 ? 'whiteout' : 'other';
}
