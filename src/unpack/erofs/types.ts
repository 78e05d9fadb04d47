import type { ByteSink, ByteString } from '../../bytes/index.ts';
import type { TreeLimits } from '../tree/index.ts';
import type { EntrySink, LayerFacts, LowerView } from '../types.ts';
import type { ChunkMap } from './layout-chunks.ts';

export interface ErofsWriterOptions {
  /** The path of the image file, which must not exist. The caller removes the file after a failure. */
  readonly path: string;
  readonly limits: TreeLimits;
  /** The layers below, to which parents and hard links may lead. */
  readonly lower?: LowerView | undefined;
  /** Receives every block that is written. */
  readonly blocks?: BlockFeed | undefined;
}

/**
 * Passes whole blocks of an image to the thread that hashes them: from the second block on in the order of the image,
 * and the first block last. Published memory is not overwritten before the other thread has read it.
 */
export interface BlockFeed {
  /** Returns 256 KiB of free memory; blocks until some is free. */
  acquire(): Uint8Array;
  /** Passes on the first `length` bytes of the memory that `acquire` returned. */
  publish(length: number): void;
  /** Ends the feed after the last block of the image. */
  end(): void;
}

/** A dm-verity tree behind an image: SHA-256, blocks of 4096 bytes, no salt, no superblock. */
export interface VerityFacts {
  /** The root hash in hexadecimal; it determines every byte of the image. */
  readonly rootHash: string;
  /** The byte of the file at which the tree begins. */
  readonly hashOffset: number;
  /** The size of image and tree together. */
  readonly fileBytes: number;
}

/** Takes the blocks of an image in the order of a {@link BlockFeed}, and writes their tree at the end. */
export interface VerityTreeWriter extends ByteSink {
  /** Throws INTERNAL before `end`. */
  result(): VerityFacts;
  /** Closes temporary files in any state. Idempotent. */
  close(): void;
}

export interface ErofsImage {
  /** The size of the file system, a multiple of 4096, without a hash tree behind it. */
  readonly imageBytes: number;
}

/** Unpacks the entries of one layer into an image. After a call has thrown, only `close` may be called. */
export interface ErofsWriter extends EntrySink {
  /** Throws INTERNAL before `end`. */
  facts(): LayerFacts;
  /** Throws INTERNAL before `end`. */
  result(): ErofsImage;
  /** Closes the file in any state. Idempotent. */
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
  /** Where the blocks of a sparse file are; undefined for every other object. */
  readonly chunks: ChunkMap | undefined;
  /** What the layout writes: a directory's names or a link's text. A file's bytes are in the image already. */
  content: DirectoryContent | ByteString | undefined;
  size: number;
  /** `i_u`: the first block, the number of a device, or the format of a chunk map. */
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
