import { hash } from 'node:crypto';
import { BLOCK_BYTES } from './layout-format.ts';
import { DIGEST_BYTES } from './leaf-hasher.ts';

/** A block of the tree holds 128 SHA-256 digests. */
const DIGESTS_PER_BLOCK = BLOCK_BYTES / DIGEST_BYTES;

/** A tree in the form in which dm-verity reads it behind the image, and the digest of its topmost block. */
export interface VerityTree {
  readonly rootHash: string;
  /** The levels from the topmost to the leaves, which is their order on the device. */
  readonly levels: readonly Level[];
}

/** One level of the tree, in whole blocks. */
type Level = readonly Uint8Array[];

/**
 * Builds the tree of https://docs.kernel.org/admin-guide/device-mapper/verity.html#hash-tree: hash type 1, SHA-256,
 * blocks of 4096 bytes, no salt, no superblock. `leaves` are the digests of the data blocks, at least one; all pieces
 * but the last are whole blocks of digests and become part of the tree.
 * ADR 0015 says why an image has a tree, docs/adr/0015-image-store.md.
 */
export function buildVerityTree(leaves: readonly Uint8Array[]): VerityTree {
  let level = padLevel(leaves);
  const levels = [level];
  while (bytesOf(level) > BLOCK_BYTES) {
    level = [hashLevel(level)];
    levels.unshift(level);
  }
  return { rootHash: hash('sha256', level[0] ?? Buffer.alloc(0), 'hex'), levels };
}

/** Fills the last block with zeros. */
function padLevel(leaves: readonly Uint8Array[]): Level {
  const last = leaves.at(-1) ?? Buffer.alloc(0);
  const rest = last.length % BLOCK_BYTES;
  return rest === 0 ? leaves : [...leaves.slice(0, -1), Buffer.concat([last, Buffer.alloc(BLOCK_BYTES - rest)])];
}

function hashLevel(below: Level): Buffer {
  const blocks = bytesOf(below) / BLOCK_BYTES;
  const level = Buffer.alloc(Math.ceil(blocks / DIGESTS_PER_BLOCK) * BLOCK_BYTES);
  let filled = 0;
  for (const part of below) {
    for (let at = 0; at < part.length; at += BLOCK_BYTES) {
      level.set(hash('sha256', part.subarray(at, at + BLOCK_BYTES), 'buffer'), filled);
      filled += DIGEST_BYTES;
    }
  }
  return level;
}

function bytesOf(level: Level): number {
  return level.reduce((sum, part) => sum + part.length, 0);
}
