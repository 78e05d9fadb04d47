import type { ByteString } from '../../bytes/index.ts';
import type { ImpliedDirectory, LowerNode, TarEntry } from '../types.ts';
import type { TreeDirectory, TreeName } from './layer-tree.ts';
import type { Device } from './parse-device.ts';
import type { Attributes } from './trie.ts';

/**
 * Makes the nodes that the rules of a layer ask for, in a directory of a disk or in an image file. Each of `make…`,
 * `openFile` and `copyLower` adds a node of its own to the tree at the given name.
 */
export interface NodeMaker {
  /** Exactly the entry's size follows through `write`, then `finishFile`. */
  openFile(at: TreeName, entry: TarEntry): void;
  write(chunk: Uint8Array): void;
  finishFile(): void;
  makeSymlink(at: TreeName, text: ByteString, attributes: Attributes): void;
  makeDevice(at: TreeName, device: Device, attributes: Attributes): void;
  /** Copies a node of the layers below with all its attributes; returns the bytes of content written. */
  copyLower(from: LowerNode, at: TreeName): number;
  /** Makes a whiteout as overlayfs reads it. */
  makeWhiteout(parent: TreeDirectory, name: ByteString): void;
  /** Sets the marks and attributes of a directory whose contents are complete. */
  finishDirectory(directory: TreeDirectory): void;
  /** Prepares a merged tree for the entries of the next layer. */
  beginLayer(): void;
  /** Finishes a layer after its last entry; returns the directories that no entry names. */
  endLayer(): ImpliedDirectory[];
  /** Turns a failed system call into the error whose code says whether the disk, the entry or Sealift is at fault. */
  describeFailure(error: unknown): unknown;
  /** Closes what an unfinished file holds open. */
  close(): void;
}
