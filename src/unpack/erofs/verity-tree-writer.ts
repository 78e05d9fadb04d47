import { closeSync, constants, openSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { describeWriteFailure } from '../directory/index.ts';
import { writeAllAt } from './image-file.ts';
import { BLOCK_BYTES } from './layout-format.ts';
import { createLeafHasher } from './leaf-hasher.ts';
import type { VerityFacts, VerityTreeWriter } from './types.ts';
import { buildVerityTree } from './verity-tree.ts';

const EXISTING = constants.O_WRONLY | constants.O_NOFOLLOW;

/**
 * Hashes the blocks of an image that another thread writes, and appends their tree to the image file. `end` throws
 * `STORE_SPACE_EXHAUSTED` and the other errors of writing.
 */
export function createVerityTreeWriter(path: string): VerityTreeWriter {
  const leaves = createLeafHasher();
  let blocks = 0;
  let facts: VerityFacts | undefined;
  return {
    write(chunk) {
      leaves.update(chunk);
      blocks += chunk.length / BLOCK_BYTES;
    },
    end() {
      const hashOffset = blocks * BLOCK_BYTES;
      const { rootHash, levels } = buildVerityTree(leaves.end());
      const fileBytes = writeTree(path, hashOffset, levels.flat());
      facts = { rootHash, hashOffset, fileBytes };
    },
    result() {
      if (facts === undefined)
        throw new SealiftError(
          'INTERNAL',
          'verity tree: expected its result to be read after the end, got an unfinished tree',
        );
      return facts;
    },
  };
}

/** Writes the tree; returns the size of the file. */
function writeTree(path: string, hashOffset: number, parts: readonly Uint8Array[]): number {
  try {
    // Opened late, because the other thread may create the file after it handed over the first blocks.
    const fd = openSync(path, EXISTING);
    try {
      let position = hashOffset;
      for (const part of parts) {
        writeAllAt(fd, part, position);
        position += part.length;
      }
      return position;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw describeWriteFailure(error, path);
  }
}
