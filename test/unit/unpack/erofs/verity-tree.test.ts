import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createLeafHasher } from '../../../../src/unpack/erofs/leaf-hasher.ts';
import { buildVerityTree } from '../../../../src/unpack/erofs/verity-tree.ts';
import { expectFailure } from '../../../support/matchers.ts';

const BLOCK = 4096;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const leaf = (index: number) => sha256(Buffer.from(String(index)));
const leaves = (count: number) => Array.from({ length: count }, (_, index) => leaf(index));
const treeOf = (count: number) => {
  const { rootHash, levels } = buildVerityTree([Buffer.concat(leaves(count))]);
  return { rootHash, levels: levels.map((parts) => Buffer.concat(parts)) };
};

describe('createLeafHasher', () => {
  const blocksOf = (count: number) => Array.from({ length: count }, (_, at) => Buffer.alloc(BLOCK, String(at)));

  it.each([1, 2, 8191, 8192, 8193, 20_000])(
    'gives the digests of %i blocks in order, the first of which came last',
    (count) => {
      const blocks = blocksOf(count);
      const hasher = createLeafHasher();
      for (let at = 1; at < blocks.length; at += 7) hasher.update(Buffer.concat(blocks.slice(at, at + 7)));
      hasher.update(blocks[0] ?? Buffer.alloc(0));
      expect(Buffer.concat(hasher.end())).toEqual(Buffer.concat(blocks.map(sha256)));
    },
  );

  it('has no tree of nothing', async () => {
    await expectFailure('INTERNAL', () => createLeafHasher().end());
  });
});

describe('buildVerityTree', () => {
  it.each([
    [1, 1],
    [128, 1],
    [129, 2],
    [128 * 128, 2],
    [128 * 128 + 1, 3],
  ])('has for %i blocks %i levels', (count, levels) => {
    expect(treeOf(count).levels).toHaveLength(levels);
  });

  it('hashes each level into the one above and pads with zeros', () => {
    const { rootHash, levels } = treeOf(130);
    const [top, bottom] = levels;
    const padded = Buffer.concat([...leaves(130), Buffer.alloc(2 * BLOCK - 130 * 32)]);
    expect(bottom).toEqual(padded);
    const above = [padded.subarray(0, BLOCK), padded.subarray(BLOCK)].map(sha256);
    expect(top).toEqual(Buffer.concat([...above, Buffer.alloc(BLOCK - 64)]));
    expect(rootHash).toBe(sha256(top ?? Buffer.alloc(0)).toString('hex'));
  });

  it('does not depend on how many blocks of digests come at once', () => {
    const cut = [leaves(300).slice(0, 128), leaves(300).slice(128)].map((each) => Buffer.concat(each));
    expect(buildVerityTree(cut).rootHash).toBe(treeOf(300).rootHash);
  });
});
