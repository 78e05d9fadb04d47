import { hash } from 'node:crypto';
import { SealiftError } from '../../errors/index.ts';
import { BLOCK_BYTES } from './layout-format.ts';

/** SHA-256. */
export const DIGEST_BYTES = 32;

/** The lowest level of a dm-verity tree: blocks go in as a feed brings them, digests come out in the order of the image. */
export interface LeafHasher {
  /** Whole blocks, from the second of the image on, and then the first; the memory is reused after the call. */
  update(blocks: Uint8Array): void;
  /** The digests of all blocks, one after the other, in pieces of 256 KiB and a last one. At least one block has come. */
  end(): readonly Uint8Array[];
}

/** Digests of 32 MiB of blocks, in whole blocks of the tree: no digest is ever moved. */
const PIECE_BYTES = 256 * 1024;

export function createLeafHasher(): LeafHasher {
  const full: Uint8Array[] = [];
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  // The place of the first block, whose digest comes last.
  let filled = DIGEST_BYTES;
  let last: Uint8Array | undefined;
  const append = (digest: Uint8Array): void => {
    if (filled === PIECE_BYTES) {
      full.push(piece);
      piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      filled = 0;
    }
    piece.set(digest, filled);
    filled += DIGEST_BYTES;
  };
  return {
    update(blocks) {
      for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
        if (last !== undefined) append(last);
        last = hash('sha256', blocks.subarray(at, at + BLOCK_BYTES), 'buffer');
      }
    },
    end() {
      if (last === undefined) throw new SealiftError('INTERNAL', 'verity tree: expected at least one block, got none');
      const pieces = [...full, piece.subarray(0, filled)];
      pieces[0]?.set(last);
      return pieces;
    },
  };
}
