import { SealiftError } from '../../errors/index.ts';
import { type BlockDigest, DigestLevel, hashBlock } from './digest-level.ts';
import { BLOCK_BYTES } from './layout-format.ts';

/** The tree of an image, which is built while the image is written. */
export interface VerityTree {
  /**
   * Takes whole blocks: from the second of the image on, and the first one last. The memory is reused after the call.
   */
  update(blocks: Uint8Array): void;
  /** Ends the tree and returns its root hash. Throws INTERNAL without any block. */
  finish(): string;
  /** Writes the finished tree, from its topmost level to the leaves. Returns where it ends. */
  writeTo(fd: number, position: number): number;
  /** Closes temporary files in any state. Idempotent. */
  close(): void;
}

/**
 * Builds the tree of https://docs.kernel.org/admin-guide/device-mapper/verity.html#hash-tree: hash type 1, SHA-256,
 * blocks of 4096 bytes, no salt, no superblock. What does not fit into a fixed amount of memory is kept in unnamed files
 * at `spillPath`. ADR 0015 says why an image has a tree, docs/adr/0015-image-store.md.
 */
export function createVerityTree(spillPath: string): VerityTree {
  const leaves = new DigestLevel(spillPath);
  let last: BlockDigest | undefined;
  return {
    update(blocks) {
      for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
        if (last !== undefined) leaves.append(last);
        last = hashBlock(blocks.subarray(at, at + BLOCK_BYTES));
      }
    },
    finish() {
      if (last === undefined) throw new SealiftError('INTERNAL', 'verity tree: expected at least one block, got none');
      return leaves.finish(last);
    },
    writeTo: (fd, position) => leaves.writeTo(fd, position),
    close: () => leaves.close(),
  };
}
