import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../../../src/bytes/index.ts';
import { encodeDirectoryBlock, layoutDirectory } from '../../../../src/unpack/erofs/layout-directory.ts';
import { encodeDevice, S_IF } from '../../../../src/unpack/erofs/layout-format.ts';
import { planImage, writeMetadata } from '../../../../src/unpack/erofs/layout-image.ts';
import { createInode, encodeInode } from '../../../../src/unpack/erofs/layout-inode.ts';
import { encodeSuperblock } from '../../../../src/unpack/erofs/layout-superblock.ts';
import { encodeXattrs, indexXattrName } from '../../../../src/unpack/erofs/layout-xattrs.ts';
import type { Inode } from '../../../../src/unpack/erofs/types.ts';
import { createDirectoryNode, type DirectoryNode, type TrieNode } from '../../../../src/unpack/tree/trie.ts';
import { bytes } from '../../../support/builders/entries.ts';
import { expectFailure } from '../../../support/matchers.ts';

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtime: { seconds: 0, nanoseconds: 0 }, xattrs: new Map() } as const;
const BLOCK = 4096;

describe('encodeInode', () => {
  const encode = (inode: Inode) => Buffer.from(encodeInode(inode, 7));

  it('writes an extended inode', () => {
    const attributes = { ...ATTRIBUTES, mode: 0o4711, uid: 70_000, gid: 4_294_967_294 };
    const inode = createInode({ type: S_IF.file, size: 5, unit: 9 }, attributes, undefined);
    inode.links = 3;
    const bytesOf = encode(inode);
    expect(bytesOf).toHaveLength(64);
    expect([bytesOf.readUInt16LE(0), bytesOf.readUInt16LE(2), bytesOf.readUInt16LE(4)]).toEqual([1, 0, 0o104711]);
    expect([bytesOf.readBigUInt64LE(8), bytesOf.readUInt32LE(16), bytesOf.readUInt32LE(20)]).toEqual([5n, 9, 7]);
    expect([bytesOf.readUInt32LE(24), bytesOf.readUInt32LE(28)]).toEqual([70_000, 4_294_967_294]);
    expect(bytesOf.readUInt32LE(44)).toBe(3);
  });

  it('writes sizes over 4 GiB', () => {
    const size = 5 * 2 ** 32 + 3;
    expect(encode(createInode({ type: S_IF.file, size }, ATTRIBUTES, undefined)).readBigUInt64LE(8)).toBe(BigInt(size));
  });

  it.each([0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 40 + 5, -(2 ** 40) - 5])('writes the second %i', (seconds) => {
    const mtime = { seconds, nanoseconds: 999_999_999 };
    const bytesOf = encode(createInode({ type: S_IF.file }, { ...ATTRIBUTES, mtime }, undefined));
    expect([bytesOf.readBigInt64LE(32), bytesOf.readUInt32LE(40)]).toEqual([BigInt(seconds), 999_999_999]);
  });

  it('counts the words of the attributes', () => {
    const xattrs = encodeXattrs(new Map([[bytes('user.a'), Buffer.from('bcd')]]));
    expect(xattrs).toHaveLength(20);
    expect(encode(createInode({ type: S_IF.file }, ATTRIBUTES, xattrs)).readUInt16LE(2)).toBe(3);
  });
});

describe('encodeDevice', () => {
  it.each([
    [1, 3, 0x103],
    [259, 70_000, 0x11110370],
    [4095, 1_048_575, 0xffffffff],
  ])('%i:%i', (major, minor, expected) => {
    expect(encodeDevice(major, minor)).toBe(expected);
  });
});

describe('encodeXattrs', () => {
  const encode = (pairs: Record<string, Uint8Array | string>) =>
    encodeXattrs(new Map(Object.entries(pairs).map(([name, value]) => [bytes(name), Buffer.from(value)])));

  it('has nothing for nothing', () => {
    expect(encode({})).toBeUndefined();
  });

  it('writes a header and entries of four-byte words', () => {
    const body = encode({ 'user.a': 'b', 'trusted.cd': 'efg', 'security.': '', 'system.posix_acl_access': 'x' });
    const entries = [
      '01010100' + '61620000',
      '02040300' + '63646566' + '67000000',
      '00060000',
      '00020100' + '78000000',
    ];
    expect(Buffer.from(body ?? []).toString('hex')).toBe('00'.repeat(12) + entries.join(''));
  });

  it.each(['constructor', '__proto__', 'toString', 'system.other', 'user'])('has no index for %s', (name) => {
    expect(indexXattrName(bytes(name))).toBeUndefined();
  });

  it('takes what 16 bits can count', () => {
    expect(encode({ 'user.a': Buffer.alloc(65_535) })).toHaveLength(12 + 4 * Math.ceil((4 + 1 + 65_535) / 4));
  });

  it.each([
    ['a value of 65 536 bytes', { 'user.a': Buffer.alloc(65_536) }],
    [
      'more than 262 148 bytes together',
      Object.fromEntries([...'abcde'].map((name) => [`user.${name}`, Buffer.alloc(60_000)])),
    ],
  ])('refuses %s', async (_, pairs) => {
    await expectFailure('UNPACK_FILESYSTEM_UNSUPPORTED', () => encode(pairs));
  });
});

describe('layoutDirectory', () => {
  const inode = createInode({ type: S_IF.file }, ATTRIBUTES, undefined);

  it('sorts by bytes, the dots among them', () => {
    const names = ['a', '!', '-', 'B', '\xff', '..a', '~'] as ByteString[];
    expect(layoutDirectory(names, () => inode).names).toEqual(['!', '-', '.', '..', '..a', 'B', 'a', '~', '\xff']);
  });

  it('cuts into blocks that hold whole names, one after the other', () => {
    const names = Array.from({ length: 40 }, (_, at) => String(at).padStart(2, '0').padEnd(255, 'n')) as ByteString[];
    const content = layoutDirectory(names, () => inode);
    expect(content.starts).toEqual([0, 17, 32]);
    const lengths = content.starts.map((_, at) => encodeDirectoryBlock(content, at).length);
    expect(lengths).toEqual([12 * 2 + 3 + 15 * 267, 15 * 267, 10 * 267]);
    expect(content.tailBytes).toBe(lengths[2]);
  });

  it('writes number, place of the name and type', () => {
    const target = createInode({ type: S_IF.symlink }, ATTRIBUTES, undefined);
    target.slot = 5;
    const content = layoutDirectory(['x' as ByteString], () => target);
    expect(Buffer.from(encodeDirectoryBlock(content, 0)).toString('hex')).toBe(
      ['0500000000000000' + '2400' + '07' + '00', '0500000000000000' + '2500' + '07' + '00'].join('') +
        ('0500000000000000' + '2700' + '07' + '00') +
        Buffer.from('...x').toString('hex'),
    );
  });
});

/** Lays out a tree whose inodes have attributes of this size. */
function layOut(build: (root: DirectoryNode, add: AddLeaf) => void) {
  const inodes = new Map<TrieNode, Inode>();
  const root = createDirectoryNode(0);
  const add: AddLeaf = (parent, name, inode) => {
    const node: TrieNode = inode === 'directory' ? createDirectoryNode(0) : { kind: 'other', layer: 0 };
    parent.children.set(bytes(name), node);
    inodes.set(node, inode === 'directory' ? createInode({ type: S_IF.directory }, ATTRIBUTES, undefined) : inode);
    return node;
  };
  inodes.set(root, createInode({ type: S_IF.directory }, ATTRIBUTES, undefined));
  build(root, add);
  const inodeOf = (node: TrieNode): Inode => {
    const inode = inodes.get(node);
    if (inode === undefined) throw new TypeError('expected every node to have an inode');
    return inode;
  };
  const plan = planImage(root, inodeOf, 1);
  const parts: Uint8Array[] = [];
  const total = () => parts.reduce((sum, part) => sum + part.length, 0);
  const pad = (count: number) => parts.push(Buffer.alloc(count));
  writeMetadata(plan, {
    append: (part) => parts.push(Buffer.from(part)),
    pad,
    padBlock: () => pad((BLOCK - (total() % BLOCK)) % BLOCK),
  });
  return { plan, written: Buffer.concat(parts) };
}

type AddLeaf = (parent: DirectoryNode, name: string, inode: Inode | 'directory') => TrieNode;

const link = (length: number) =>
  createInode({ type: S_IF.symlink, size: length, content: 'x'.repeat(length) as ByteString }, ATTRIBUTES, undefined);

describe('planImage', () => {
  it('gives the root a number that 16 bits hold and nothing the number 0', () => {
    const { plan } = layOut((root, add) => add(root, 'a', 'directory'));
    expect(plan.root.slot).toBe(2);
    expect(plan.inodes.map(({ slot }) => slot)).toEqual([2, 6]);
  });

  it('writes as many blocks as it planned, each inode in its place', () => {
    const { plan, written } = layOut((root, add) => {
      for (let at = 1; at < 300; at += 1) add(root, `l${at}`, link(at * 13));
    });
    expect(written).toHaveLength(plan.metaBlocks * BLOCK);
    plan.inodes.forEach((inode, index) => {
      expect(written.readUInt32LE(inode.slot * 32 + 20)).toBe(index + 1);
      expect(written.readBigUInt64LE(inode.slot * 32 + 8)).toBe(BigInt(inode.size));
    });
  });

  it('lets nothing inline cross a block, and gives what is too long a block of its own', () => {
    const { plan } = layOut((root, add) => {
      for (let at = 1; at < 4096; at += 37) add(root, `l${at}`, link(at));
    });
    const links = plan.inodes.filter(({ content }) => typeof content === 'string');
    const blockOf = (offset: number) => Math.floor(offset / BLOCK);
    for (const { slot, size, inline, unit } of links) {
      if (inline) expect(blockOf(slot * 32)).toBe(blockOf(slot * 32 + 63 + size));
      else expect(unit).toBeGreaterThan(blockOf(slot * 32));
    }
    expect(new Set(links.map(({ inline }) => inline))).toEqual(new Set([true, false]));
    const units = links.filter(({ inline }) => !inline).map(({ unit }) => unit);
    expect(new Set(units).size).toBe(units.length);
  });

  it('counts names as links, and of directories the dots', () => {
    const shared = createInode({ type: S_IF.file }, ATTRIBUTES, undefined);
    const { plan } = layOut((root, add) => {
      const directory = add(root, 'd', 'directory');
      if (directory.kind === 'directory') add(directory, 'inner', 'directory');
      add(root, 'one', shared);
      add(root, 'two', shared);
    });
    expect(plan.inodes.map(({ links }) => links)).toEqual([3, 3, 2, 2]);
  });
});

describe('encodeSuperblock', () => {
  it('fills one block and holds nothing but the shape of the image', () => {
    const block = Buffer.from(encodeSuperblock({ metaBlock: 5, blocks: 7, inodes: 3, hasChunks: false, rootSlot: 2 }));
    expect(block).toHaveLength(BLOCK);
    expect(block.readUInt32LE(1024)).toBe(0xe0f5e1e2);
    expect([block.readUInt8(1036), block.readUInt16LE(1038), block.readBigUInt64LE(1040)]).toEqual([12, 2, 3n]);
    expect([block.readUInt32LE(1060), block.readUInt32LE(1064)]).toEqual([7, 5]);
    const written = [1024, 1025, 1026, 1027, 1032, 1036, 1038, 1040, 1060, 1064];
    expect([...block.keys()].filter((at) => block[at] !== 0)).toEqual(written);
  });
});
