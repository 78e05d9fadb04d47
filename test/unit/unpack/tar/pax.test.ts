import { describe, expect, it } from 'vitest';
import {
  type Bytes,
  file,
  gnuLong,
  type PaxRecords,
  padded,
  paxHeader,
  rawHeader,
  symlink,
  tar,
} from '../../../support/builders/tar-builder.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { type ListedEntry, listTar } from '../../../support/oracles/tar-listing.ts';

function described(records: PaxRecords): ListedEntry {
  const [entry] = listTar(tar([paxHeader(records), file('a', 'hello', { uid: 1, gid: 2 })]));
  if (entry === undefined) throw new Error('expected an entry');
  return entry;
}

describe('extended headers', () => {
  it('override name, link, owner, size and time of the next member', () => {
    const [entry] = listTar(
      tar([
        paxHeader({ path: 'p', uid: '3000000', gid: '4000000', size: '6', mtime: '-1.25' }),
        rawHeader({ name: 'a' }),
        padded('longer'),
      ]),
    );
    expect(entry).toMatchObject({
      unsafeName: 'p',
      uid: 3_000_000,
      gid: 4_000_000,
      size: 6,
      content: 'longer',
      mtime: { seconds: -2, nanoseconds: 750_000_000 },
    });
    expect(listTar(tar([paxHeader({ linkpath: 'l' }), symlink('s', 'short')]))[0]?.unsafeLinkname).toBe('l');
  });

  it('apply once', () => {
    const listed = listTar(tar([paxHeader({ path: 'p', uid: '7' }), file('a'), file('b')]));
    expect(listed.map(({ unsafeName, uid }) => [unsafeName, uid])).toEqual([
      ['p', 7],
      ['b', 0],
    ]);
  });

  it('withdraw a value with an empty one, and let the last record of a key count', () => {
    expect(
      described([
        ['path', 'x'],
        ['path', ''],
      ]).unsafeName,
    ).toBe('a');
    expect(
      described([
        ['uid', '5'],
        ['uid', '6'],
      ]).uid,
    ).toBe(6);
    expect(described([['uid', '']]).uid).toBe(1);
  });

  it.each([
    ['1.5', 1, 500_000_000],
    ['1.000000001', 1, 1],
    ['1.0000000019', 1, 1],
    ['-0.25', -1, 750_000_000],
    ['-1.0', -1, 0],
    ['-3', -3, 0],
    ['7.', 7, 0],
  ])('read mtime %s as %i s and %i ns', (mtime, seconds, nanoseconds) => {
    expect(described({ mtime }).mtime).toEqual({ seconds, nanoseconds });
  });

  it('keep xattr values to the byte', () => {
    const capability = Buffer.from('0100000280ff0a3d0000000000000000000000', 'hex');
    const { xattrs } = described({ 'SCHILY.xattr.security.capability': capability, 'SCHILY.xattr.user.x=y': 'z' });
    expect(xattrs).toEqual({ 'security.capability': capability.toString('latin1'), 'user.x': 'y=z' });
  });

  it('take names of xattrs for what they are', () => {
    expect(Object.keys(described({ 'SCHILY.xattr.__proto__': 'x', 'SCHILY.xattr.toString': 'y' }).xattrs)).toEqual([
      '__proto__',
      'toString',
    ]);
  });

  it('ignore the xattrs of libarchive and keys of other vendors', () => {
    expect(described({ 'LIBARCHIVE.xattr.user.a': 'eA==', 'VENDOR.key': 'x' }).xattrs).toEqual({});
  });

  it('do not apply to a long name in between (CVE-2026-53655)', () => {
    const listed = listTar(
      tar([paxHeader({ size: '5' }), gnuLong('L', 'long'), rawHeader(), padded('hello'), file('b')]),
    );
    expect(listed.map(({ unsafeName, content }) => [unsafeName, content])).toEqual([
      ['long', 'hello'],
      ['b', ''],
    ]);
  });

  it('decide the size of what is skipped, so that content never becomes a header (CVE-2025-62518)', () => {
    const inner = tar([file('smuggled', 'x')], { end: 'none' });
    const listed = listTar(
      tar([paxHeader({ size: String(inner.length) }), rawHeader({ name: 'outer' }), inner, file('b')]),
    );
    expect(listed.map((entry) => entry.unsafeName)).toEqual(['outer', 'b']);
  });

  it.each<[string, (Uint8Array | ReturnType<typeof file>)[]]>([
    ['two for one member', [paxHeader({ uid: '1' }), paxHeader({ gid: '1' }), file('a')]],
    ['a path and a GNU long name', [paxHeader({ path: 'p' }), gnuLong('L', 'l'), file('a')]],
    ['a GNU long link and a linkpath', [gnuLong('K', 'l'), paxHeader({ linkpath: 'p' }), symlink('s', 't')]],
    ['a global header before the member', [paxHeader({ path: 'p' }), paxHeader({ comment: 'c' }, 'g'), file('a')]],
    ['no member', [file('a'), paxHeader({ path: 'p' })]],
  ])('are refused with %s, where readers disagree', async (_, members) => {
    await expectFailure('TAR_INVALID', () => listTar(tar(members)));
  });

  it.each<[string, Bytes, Bytes]>([
    ['a NUL in a path', 'path', 'a\0b'],
    ['a NUL in a key', 'VENDOR\0.key', 'v'],
    ['a negative size', 'size', '-1'],
    ['an owner of -1', 'uid', '-1'],
    ['the owner 2^32-1', 'gid', '4294967295'],
    ['a time in words', 'mtime', 'yesterday'],
    ['an access time in words, although it is not kept', 'atime', 'yesterday'],
  ])('are refused with %s', async (_, key, value) => {
    await expectFailure('TAR_INVALID', () => listTar(tar([paxHeader([[key, value]]), file('a')])));
  });

  it('are refused as unsupported when they describe a sparse file in an unknown format', async () => {
    await expectFailure('TAR_UNSUPPORTED', () => described({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '1' }));
  });

  it('for the whole archive must be well-formed and apply to nothing', async () => {
    const listed = listTar(tar([paxHeader({ path: 'everywhere', uid: '7' }, 'g'), file('a')]));
    expect(listed.map(({ unsafeName, uid }) => [unsafeName, uid])).toEqual([['a', 0]]);
    const broken = paxHeader(Buffer.from('99 path=x\n'), 'g');
    await expectFailure('TAR_INVALID', () => listTar(tar([broken, file('a')])));
  });
});
