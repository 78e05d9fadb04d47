import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { detectCompression } from '../../../src/archive/detect-compression.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';

const plain = tar([file('a', 'content')]);

it.each<[what: string, expected: string, head: Buffer]>([
  ['a tar', 'none', plain],
  ['a tar whose first name begins as gzip does', 'none', tar([file('\x1f\x8b\x08', 'content')])],
  ['a tar whose first name begins as bzip2 does', 'none', tar([file('BZh9', 'content')])],
  ['gzip', 'gzip', gzipSync(plain)],
  ['zstd', 'zstd', zstdCompressSync(plain)],
  ['zstd behind a skippable frame', 'zstd', Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])],
  ['xz', 'xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00])],
  ['bzip2', 'bzip2', Buffer.from('BZh91AY')],
  ['nothing', 'none', Buffer.alloc(0)],
  ['zeros', 'none', Buffer.alloc(512)],
])('detectCompression: %s is %s', (_, expected, head) => {
  expect(detectCompression(head.subarray(0, 512))).toBe(expected);
});
