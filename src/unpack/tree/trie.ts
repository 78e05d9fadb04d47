import type { ByteString } from '../../bytes/index.ts';
import type { TarEntry } from '../types.ts';

/** Owner, mode, time and extended attributes of a node. */
export type Attributes = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;

/** Of a directory that no layer names. */
export const IMPLIED_ATTRIBUTES: Attributes = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map(),
};

/**
 * A directory that the writer made. What the file system says is never asked: this tree is the truth about which names
 * exist and which of them are links.
 */
export interface DirectoryNode {
  readonly kind: 'directory';
  readonly children: Map<ByteString, TrieNode>;
  /** The layer that made it. */
  readonly bornIn: number;
  /** The last layer that named it. */
  layer: number;
  /** From its latest entry; undefined while no entry named it. */
  attributes: Attributes | undefined;
  /** The layer hides what lies below this directory. */
  opaque: boolean;
  /** Names that the layer hides in this directory. */
  whiteouts: Set<ByteString> | undefined;
  /** The layer that last changed what is in it, as far as that is followed. */
  touchedIn: number;
  /** Its attributes are on the disk. */
  finished: boolean;
  /** The layer that last removed from it everything of earlier layers. */
  prunedIn: number;
}

interface Borrowed {
  /** Copied from the layers below and named by no entry: it goes when the layer hides what lies below. */
  readonly borrowed?: true;
}

export interface SymlinkNode extends Borrowed {
  readonly kind: 'symlink';
  readonly layer: number;
  readonly target: ByteString;
}

/** A file, device or fifo; or, as `dropped`, one that was left out, so that links to it are left out as well. */
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
    opaque: false,
    whiteouts: undefined,
    touchedIn: -1,
    finished: false,
    prunedIn: -1,
  };
}
