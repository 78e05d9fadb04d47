import { lstatSync } from 'node:fs';
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
    const found = lstatSync(node);
    if (found.isDirectory()) {
      return lgetxattr(node, 'trusted.overlay.opaque')?.toString() === 'y' ? 'opaque-directory' : 'directory';
    }
    return found.isCharacterDevice() && found.rdev === 0 ? 'whiteout' : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'absent';
    throw error;
  }
}
