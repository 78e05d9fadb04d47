import { type Dirent, lstatSync, type Stats } from 'node:fs';
import type { ByteString } from '../bytes/index.ts';
import { errnoOf, lgetxattr } from '../platform/index.ts';
import { pathInside } from './path.ts';
import type { LayerNodeKind } from './types.ts';

/**
 * Returns what a layer directory in overlay form has at `path`. Every parent of `path` must be a real directory of that
 * layer, because a symlink of the image could lead out of it.
 * https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
 */
export function layerNode(layer: string, path: ByteString): LayerNodeKind {
  const node = pathInside(layer, path);
  try {
    return kindOf(node, lstatSync(node, { throwIfNoEntry: false }));
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

function kindOf(node: Buffer, found: Stats | undefined): LayerNodeKind {
  if (found === undefined) return 'absent';
  if (found.isDirectory()) {
    return lgetxattr(node, 'trusted.overlay.opaque')?.toString() === 'y' ? 'opaque-directory' : 'directory';
  }
  if (found.isSymbolicLink()) return 'symlink';
  return found.isCharacterDevice() && found.rdev === 0 ? 'whiteout' : 'other';
}
