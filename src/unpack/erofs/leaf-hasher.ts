import { hash } from 'node:crypto';
import { SealiftError } from '../../errors/index.ts';
import { BLOCK_BYTES } from './layout-format.ts';

/** The size of a SHA-256 digest. */
export const DIGEST_BYTES = 32;

/**
 * Computes the lowest level of a dm-verity tree: takes blocks in the order of a feed, returns digests in that of the
 * image.
 */
export interface LeafHasher {
  /**
   * Takes whole blocks: from the second of the image on, and the first one last. The memory is reused after the call.
   */
  update(blocks: Uint8Array): void;
  /**
   * Returns the digests of all blocks in pieces of 256 KiB and a last, shorter one. Throws INTERNAL without any block.
   */
  end(): readonly Uint8Array[];
}

/** The digests of 32 MiB of blocks: whole blocks of the tree, so that no digest is ever copied. */
const PIECE_BYTES = 256 * 1024;

export function createLeafHasher(): LeafHasher {
  const full: Uint8Array[] = [];
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  // The first position is left for the digest of the first block, which comes last.
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
