import { closeSync, constants, openSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { describeWriteFailure } from '../directory/index.ts';
import { BLOCK_BYTES } from './layout-format.ts';
import type { VerityFacts, VerityTreeWriter } from './types.ts';
import { createVerityTree, type VerityTree } from './verity-tree.ts';

const EXISTING = constants.O_WRONLY | constants.O_NOFOLLOW;

/**
 * Hashes the blocks of an image that another thread writes, and appends their tree to the image file. `write` and `end`
 * throw `UNPACK_WRITE_FAILED` and the other errors of writing.
 */
export function createVerityTreeWriter(path: string): VerityTreeWriter {
  const tree = createVerityTree(`${path}.digests`);
  let blocks = 0;
  let facts: VerityFacts | undefined;
  return {
    write(chunk) {
      describing(path, () => tree.update(chunk));
      blocks += chunk.length / BLOCK_BYTES;
    },
    end() {
      const hashOffset = blocks * BLOCK_BYTES;
      facts = describing(path, () => {
        const rootHash = tree.finish();
        return { rootHash, hashOffset, fileBytes: append(tree, path, hashOffset) };
      });
      tree.close();
    },
    result() {
      if (facts === undefined)
        throw new SealiftError(
          'INTERNAL',
          'verity tree: expected its result to be read after the end, got an unfinished tree',
        );
      return facts;
    },
    close: () => tree.close(),
  };
}

/** Writes the tree; returns the size of the file. */
function append(tree: VerityTree, path: string, hashOffset: number): number {
  // Opened late, because the other thread may create the file after it handed over the first blocks.
  const fd = openSync(path, EXISTING);
  try {
    return tree.writeTo(fd, hashOffset);
  } finally {
    closeSync(fd);
  }
}

function describing<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw describeWriteFailure(error, path);
  }
}
