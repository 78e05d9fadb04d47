import type { TreeLimits } from '../directory/index.ts';
import type { EntrySink, LayerFacts, LowerView } from '../types.ts';

export interface ErofsWriterOptions {
  /** The image file, which must not exist; removing it after a failure is the caller's. */
  readonly path: string;
  readonly limits: TreeLimits;
  /** The layers below, where parents and hard links may lead. */
  readonly lower?: LowerView | undefined;
  /** Appends a dm-verity tree. */
  readonly verity: boolean;
}

/** A dm-verity tree behind an image: SHA-256, blocks of 4096 bytes, no salt, no superblock. */
export interface VerityFacts {
  /** Hexadecimal. Whoever knows it knows every byte of the image. */
  readonly rootHash: string;
  readonly dataBlocks: number;
  /** Byte of the file at which the tree begins. */
  readonly hashOffset: number;
}

export interface ErofsImage {
  /** Bytes of the file system, a multiple of 4096; the tree comes on top. */
  readonly imageBytes: number;
  readonly fileBytes: number;
  readonly verity?: VerityFacts | undefined;
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
