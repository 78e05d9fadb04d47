import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DigestLevel } from '../../../src/unpack/erofs/digest-level.ts';
import { createVerityTree } from '../../../src/unpack/erofs/verity-tree.ts';
import { createVerityTreeWriter } from '../../../src/unpack/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const BLOCK = 4096;
const DIGEST = 32;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

/** As many different digests as wanted. */
function digests(count: number): Buffer {
  const all = Buffer.alloc(count * DIGEST);
  for (let number = 0; number < count; number += 1) all.writeUInt32LE(number + 1, number * DIGEST);
  return all;
}

/** The tree as the kernel documents it, level by level. */
function treeOf(leaves: Buffer): { readonly rootHash: string; readonly bytes: Buffer; readonly levels: number } {
  const levels = [padded(leaves)];
  for (let top = levels[0]; top !== undefined && top.length > BLOCK; top = levels[0]) levels.unshift(hashLevel(top));
  return { rootHash: sha256(levels[0] ?? leaves).toString('hex'), bytes: Buffer.concat(levels), levels: levels.length };
}

function hashLevel(below: Buffer): Buffer {
  return padded(Buffer.concat(blocksOf(below).map(sha256)));
}

function blocksOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / BLOCK }, (_, at) => bytes.subarray(at * BLOCK, (at + 1) * BLOCK));
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(Math.ceil(bytes.length / BLOCK) * BLOCK - bytes.length)]);
}

function digestAt(all: Buffer, at: number): string {
  return all.toString('latin1', at, at + DIGEST);
}

/** Appends all digests but the first one. */
function append(level: DigestLevel, all: Buffer): void {
  for (let at = DIGEST; at < all.length; at += DIGEST) level.append(digestAt(all, at));
}

function fill(level: DigestLevel, all: Buffer): string {
  append(level, all);
  return level.finish(digestAt(all, 0));
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The directory is read through a descriptor that is closed by now.
    return '';
  }
}

/** Writes the level's tree into a new file, behind `position` other bytes, and returns it. */
function written(level: DigestLevel, path: string, position: number): Buffer {
  const fd = openSync(path, 'wx');
  try {
    const end = level.writeTo(fd, position);
    const bytes = readFileSync(path);
    expect(end).toBe(bytes.length);
    return bytes.subarray(position);
  } finally {
    closeSync(fd);
  }
}

describe('DigestLevel', () => {
  // The first block has 128 digests, and a piece 8192.
  it.each([
    [1, 1],
    [127, 1],
    [128, 1],
    [129, 2],
    [8319, 2],
    [8320, 2],
    [8321, 2],
    [128 * 128, 2],
    [128 * 128 + 1, 3],
    [40_000, 3],
  ])('makes of %i digests the %i levels that the kernel reads', (count, levels) => {
    using scratch = new Scratch();
    const level = new DigestLevel(scratch.join('digests'));
    const expected = treeOf(digests(count));
    expect(expected.levels).toBe(levels);
    expect(fill(level, digests(count))).toBe(expected.rootHash);
    expect(written(level, scratch.join('tree'), BLOCK).equals(expected.bytes)).toBe(true);
    level.close();
  });

  it('has the root of what it was given, also when what it wrote out was changed meanwhile', () => {
    using scratch = new Scratch();
    const level = new DigestLevel(scratch.join('digests'));
    const all = digests(40_000);
    append(level, all);
    const spilled = readdirSync('/proc/self/fd').find((fd) => linkOf(fd).startsWith(scratch.join('digests')));
    const other = openSync(`/proc/self/fd/${spilled}`, 'r+');
    writeSync(other, Buffer.alloc(DIGEST, 0xa5), 0, DIGEST, BLOCK);
    closeSync(other);
    const { rootHash, bytes } = treeOf(all);
    expect(level.finish(digestAt(all, 0))).toBe(rootHash);
    expect(written(level, scratch.join('tree'), 0).equals(bytes), 'the change is in the tree').toBe(false);
    level.close();
  });

  it('holds for the digests of four GiB not more than for those of one, and leaves no file', () => {
    using scratch = new Scratch();
    mkdirSync(scratch.join('staging'));
    const held = [1, 4].map((gib) => {
      const level = new DigestLevel(scratch.join('staging/digests'));
      const all = digests((gib * 2 ** 30) / BLOCK);
      expect(fill(level, all)).toBe(treeOf(all).rootHash);
      expect(readdirSync(scratch.join('staging'))).toEqual([]);
      level.close();
      return level.heldBytes;
    });
    expect(held[0]).toBeLessThan(2 ** 20);
    expect(held[1]).toBe(held[0]);
  });
});

describe('createVerityTree', () => {
  it('hashes the blocks in order, the first of which comes last', () => {
    using scratch = new Scratch();
    const blocks = Array.from({ length: 300 }, (_, at) => Buffer.alloc(BLOCK, String(at)));
    const tree = createVerityTree(scratch.join('digests'));
    for (let at = 1; at < blocks.length; at += 7) tree.update(Buffer.concat(blocks.slice(at, at + 7)));
    tree.update(blocks[0] ?? Buffer.alloc(0));
    expect(tree.finish()).toBe(treeOf(Buffer.concat(blocks.map(sha256))).rootHash);
  });

  it('has no tree of nothing', async () => {
    await expectFailure('INTERNAL', () => createVerityTree('/nonexistent').finish());
  });
});

describe('createVerityTreeWriter', () => {
  it('does not follow a file that lies where its digests are written out', async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.join('image.digests'), 'kept');
    const writer = createVerityTreeWriter(scratch.join('image'));
    const blocks = Buffer.alloc(64 * BLOCK);
    await expectFailure('UNPACK_ENTRY_INVALID', () => {
      for (let count = 0; count <= 8400; count += 64) writer.write(blocks);
    });
    writer.close();
    expect(readFileSync(scratch.join('image.digests'), 'utf8')).toBe('kept');
  });
});
