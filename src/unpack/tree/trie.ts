import type { ByteString } from '../../bytes/index.ts';
import type { TarEntry } from '../types.ts';

/** Owner, mode, time and extended attributes of a node. */
export type Attributes = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;

/** The attributes of a directory that no layer names. */
export const IMPLIED_ATTRIBUTES: Attributes = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map(),
};

/**
 * A directory that the writer made. The file system is never asked which names exist and which of them are links: this
 * tree decides.
 */
export interface DirectoryNode {
  readonly kind: 'directory';
  readonly children: Map<ByteString, TrieNode>;
  /** The layer that made it. */
  readonly bornIn: number;
  /** The last layer that named it. */
  layer: number;
  /** The attributes of its latest entry; undefined while no entry has named it. */
  attributes: Attributes | undefined;
  /**
   * True when the directory was made for a name below it while nothing of the layer hid what lower layers have at its
   * path, and no view showed what that is.
   */
  assumed: boolean;
  /** True when the layer hides what lower layers have in this directory. */
  opaque: boolean;
  /** Names that the layer hides in this directory. */
  whiteouts: Set<ByteString> | undefined;
  /** The last layer that `touch` was called for. */
  touchedIn: number;
  /** True once its attributes are on the disk. */
  finished: boolean;
  /** The layer that last removed everything of earlier layers from it. */
  prunedIn: number;
}

interface Borrowed {
  /** The node was copied from a lower layer and no entry names it: it is removed when the layer hides that layer. */
  readonly borrowed?: true;
}

export interface SymlinkNode extends Borrowed {
  readonly kind: 'symlink';
  readonly layer: number;
  readonly target: ByteString;
}

/** A file, device or fifo. `dropped` means that it was left out, so hard links to it are left out as well. */
export interface LeafNode extends Borrowed {
  readonly kind: 'other' | 'dropped';
  readonly layer: number;
}

export type TrieNode = DirectoryNode | SymlinkNode | LeafNode;

export function createDirectoryNode(layer: number): DirectoryNode {
  return {
    kind: 'directory',
    children: new Map(),
    bornIn: layer,
    layer,
    attributes: undefined,
    assumed: false,
    opaque: false,
    whiteouts: undefined,
    touchedIn: -1,
    finished: false,
    prunedIn: -1,
  };
}
