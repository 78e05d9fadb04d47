import { describe, expect, it } from 'vitest';
import { parseEntryPath } from '../../../../src/unpack/tree/entry-path.ts';
import { isIgnoredDirectory, parseWhiteoutName } from '../../../../src/unpack/tree/whiteout-name.ts';
import { bytes } from '../../../support/builders/entries.ts';
import { expectFailure } from '../../../support/matchers.ts';

describe('parseEntryPath', () => {
  it.each([
    ['a/b/c', ['a', 'b', 'c']],
    ['/a/b', ['a', 'b']],
    ['./a/./b/', ['a', 'b']],
    ['a//b///', ['a', 'b']],
    ['a/../b', ['b']],
    ['a/b/../../c', ['c']],
    ['...', ['...']],
    ['..a/b..', ['..a', 'b..']],
    ['.', []],
    ['./', []],
    ['/', []],
    ['.//', []],
    ['', []],
    ['a/..', []],
    ['a\\..\\b', ['a\\..\\b']],
  ])('takes %j as %j', (text, components) => {
    expect(parseEntryPath(bytes(text))).toEqual(components);
  });

  it.each(['..', '../a', '/..', '/../a', 'a/../../b', './../a', 'a/b/../../../c'])(
    'refuses %j, which leads above the root',
    async (text) => {
      await expectFailure('UNPACK_PATH_ESCAPE', () => parseEntryPath(bytes(text)));
    },
  );

  it('refuses a NUL', async () => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => parseEntryPath(bytes('a\0b')));
  });
});

describe('parseWhiteoutName', () => {
  it.each([
    ['plain', { kind: 'plain' }],
    ['.wh', { kind: 'plain' }],
    ['.whx.a', { kind: 'plain' }],
    ['a.wh.b', { kind: 'plain' }],
    ['.wh.a', { kind: 'whiteout', name: 'a' }],
    ['.wh....', { kind: 'whiteout', name: '...' }],
    ['.wh..hidden', { kind: 'whiteout', name: '.hidden' }],
    ['.wh..wh..opq', { kind: 'opaque' }],
    ['.wh..wh.plnk', { kind: 'ignored' }],
    ['.wh..wh.aufs', { kind: 'ignored' }],
    ['.wh..wh..opqx', { kind: 'ignored' }],
  ])('reads %j', (name, meaning) => {
    expect(parseWhiteoutName(bytes(name))).toEqual(meaning);
  });

  it.each(['.wh.', '.wh..', '.wh...'])('refuses %j, which names nothing that can be hidden', async (name) => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => parseWhiteoutName(bytes(name)));
  });
});

describe('isIgnoredDirectory', () => {
  it('distinguishes aufs metadata from ordinary directories and refuses a whiteout as directory', async () => {
    expect(isIgnoredDirectory(bytes('.wh..wh.plnk'))).toBe(true);
    expect(isIgnoredDirectory(bytes('usr'))).toBe(false);
    await expectFailure('UNPACK_ENTRY_INVALID', () => isIgnoredDirectory(bytes('.wh.usr')));
  });
});
