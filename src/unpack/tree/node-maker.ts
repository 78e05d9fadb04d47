import type { ByteString } from '../../bytes/index.ts';
import type { ImpliedDirectory, LowerNode, TarEntry } from '../types.ts';
import type { TreeDirectory, TreeName } from './layer-tree.ts';
import type { Device } from './parse-device.ts';
import type { Attributes } from './trie.ts';

/**
 * Makes what the rules of a layer have found a place for: in a directory of a disk, or in an image file. Each `make…`,
 * `openFile` and `copyLower` puts a node of its own into the tree at the place.
 */
export interface NodeMaker {
  /** Exactly the entry's size follows through `write`, then `finishFile`. */
  openFile(at: TreeName, entry: TarEntry): void;
  write(chunk: Uint8Array): void;
  finishFile(): void;
  makeSymlink(at: TreeName, text: ByteString, attributes: Attributes): void;
  makeDevice(at: TreeName, device: Device, attributes: Attributes): void;
  /** A node of the layers below with all its attributes; returns the bytes of content written. */
  copyLower(from: LowerNode, at: TreeName): number;
  /** A whiteout as overlayfs reads it. */
  makeWhiteout(parent: TreeDirectory, name: ByteString): void;
  /** A directory in which nothing changes any more: its marks and attributes. */
  finishDirectory(directory: TreeDirectory): void;
  beginLayer(): void;
  /** After the last entry of a layer; returns the directories that no entry names. */
  endLayer(): ImpliedDirectory[];
  /** Gives a failed system call the code that says who is at fault. */
  describeFailure(error: unknown): unknown;
  /** Gives back what an unfinished file holds open. */
  close(): void;
}
