import { hash } from 'node:crypto';
import { BLOCK_BYTES } from './layout-format.ts';

/** SHA-256. */
export const DIGEST_BYTES = 32;

/** The lowest level of a dm-verity tree: blocks go in, in the order of the image, digests come out. */
export interface LeafHasher {
  /** Whole blocks; the memory is reused after the call. */
  update(blocks: Uint8Array): void;
  /** The digests of all blocks, one after the other, in pieces of 256 KiB and a last one. */
  end(): readonly Uint8Array[];
}

/** Digests of 32 MiB of blocks, in whole blocks of the tree: no digest is ever moved. */
const PIECE_BYTES = 256 * 1024;

/** Hashes in the thread that writes the image. */
export function createLeafHasher(): LeafHasher {
  const full: Uint8Array[] = [];
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let filled = 0;
  return {
    update(blocks) {
      for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
        if (filled === PIECE_BYTES) {
          full.push(piece);
          piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
          filled = 0;
        }
        piece.set(hash('sha256', blocks.subarray(at, at + BLOCK_BYTES), 'buffer'), filled);
        filled += DIGEST_BYTES;
      }
    },
    end: () => [...full, piece.subarray(0, filled)].filter(({ length }) => length > 0),
  };
}
