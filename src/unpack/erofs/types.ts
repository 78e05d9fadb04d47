import type { ByteSink, ByteString } from '../../bytes/index.ts';
import type { TreeLimits } from '../tree/index.ts';
import type { EntrySink, LayerFacts, LowerView } from '../types.ts';

export interface ErofsWriterOptions {
  /** The image file, which must not exist; removing it after a failure is the caller's. */
  readonly path: string;
  readonly limits: TreeLimits;
  /** The layers below, where parents and hard links may lead. */
  readonly lower?: LowerView | undefined;
  /** Takes what is written, too. */
  readonly blocks?: BlockFeed | undefined;
}

/**
 * Hands whole blocks of an image on to who hashes them, in the order of the image from its second block on; the first
 * block comes last. What was published stays as it is until the other side has read it.
 */
export interface BlockFeed {
  /** Free memory of 256 KiB; may block while there is none. */
  acquire(): Uint8Array;
  /** Hands over the first `length` bytes of what `acquire` returned. */
  publish(length: number): void;
  /** Every block of the image has been handed over. */
  end(): void;
}

/** A dm-verity tree behind an image: SHA-256, blocks of 4096 bytes, no salt, no superblock. */
export interface VerityFacts {
  /** Hexadecimal. Whoever knows it knows every byte of the image. */
  readonly rootHash: string;
  readonly dataBlocks: number;
  /** Byte of the file at which the tree begins. */
  readonly hashOffset: number;
  /** Of image and tree. */
  readonly fileBytes: number;
}

/** Takes the blocks of an image as a {@link BlockFeed} brings them, and writes their tree at the end. */
export interface VerityTreeWriter extends ByteSink {
  /** Throws INTERNAL before `end`. */
  result(): VerityFacts;
}

export interface ErofsImage {
  /** Bytes of the file system, a multiple of 4096; a tree may come on top. */
  readonly imageBytes: number;
}

/** Unpacks the entries of one layer into an image. After a call has thrown only `close` may follow. */
export interface ErofsWriter extends EntrySink {
  /** Throws INTERNAL before `end`. */
  facts(): LayerFacts;
  /** Throws INTERNAL before `end`. */
  result(): ErofsImage;
  /** Closes the file, whatever state it is in. */
  close(): void;
}

/** One object of the image; its names are elsewhere. Nothing more is kept for a file while its layer streams by. */
export interface Inode {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Encoded; undefined when the object has none. */
  readonly xattrs: Uint8Array | undefined;
  /** What the layout writes: a directory's names or a link's text. A file's bytes are in the image already. */
  content: DirectoryContent | ByteString | undefined;
  size: number;
  /** `i_u`: the first block, or the number of a device. */
  unit: number;
  /** The number of names that lead here, as far as they have been counted. */
  links: number;
  /** The position in the inode table, in units of 32 bytes; 0 until it is known. */
  slot: number;
  /** True when the last part of the content follows the inode directly. */
  inline: boolean;
}

/** The names of a directory, `.` and `..` among them, in the order of their bytes, cut into blocks. */
export interface DirectoryContent {
  readonly names: readonly ByteString[];
  /** Returns the inode behind a name. */
  readonly lookup: (name: ByteString) => Inode;
  /** For each block, the index of its first name. */
  readonly starts: readonly number[];
  /** The number of bytes used in the last block. */
  readonly tailBytes: number;
}
