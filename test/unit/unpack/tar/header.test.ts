import { describe, expect, it } from 'vitest';
import {
  base256,
  type HeaderFields,
  padded,
  rawHeader,
  sealHeader,
  tar,
} from '../../../support/builders/tar-builder.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { type ListedEntry, listTar } from '../../../support/oracles/tar-listing.ts';

function read(fields: HeaderFields): ListedEntry {
  const [entry] = listTar(tar([rawHeader(fields)]));
  if (entry === undefined) throw new Error('expected an entry');
  return entry;
}

describe('header blocks', () => {
  it.each([
    ['octal with a NUL', '0000755\0', 0o755],
    ['octal after spaces', '   755 \0', 0o755],
    ['octal that fills the field', '00000755', 0o755],
    ['nothing', '', 0],
    ['the bits of the file type as well', '0100755\0', 0o755],
  ])('read a mode of %s', (_, mode, expected) => {
    expect(read({ mode }).mode).toBe(expected);
  });

  it.each([
    ['base-256', base256(4_000_000_000n, 8), 4_000_000_000],
    ['the highest owner', base256(2n ** 32n - 2n, 8), 2 ** 32 - 2],
  ])('read an owner in %s', (_, uid, expected) => {
    expect(read({ uid }).uid).toBe(expected);
  });

  it('read times before 1970 in base-256', () => {
    expect(read({ mtime: base256(-5n, 12) }).mtime).toEqual({ seconds: -5, nanoseconds: 0 });
  });

  it.each<[string, HeaderFields]>([
    ['a letter in a number', { uid: '12a' }],
    ['a negative size', { size: base256(-1n, 12) }],
    ['a size beyond 2^63', { size: base256(2n ** 63n, 12) }],
    ['a negative owner', { uid: base256(-1n, 8) }],
    ['the owner 2^32-1', { gid: base256(2n ** 32n - 1n, 8) }],
    ['a time beyond 2^53', { mtime: base256(2n ** 53n, 12) }],
    ['a malformed device number of a file', { devmajor: '9' }],
    ['a device that mknod cannot make', { type: '3', devmajor: 0o10000 }],
    ['a checksum that is off by one', { checksum: '0007777\0' }],
    ['a checksum in letters', { checksum: 'checksum' }],
  ])('are refused with %s', async (_, fields) => {
    await expectFailure('TAR_INVALID', () => read(fields));
  });

  it.each([...'SVMNDAXEI\x01\xff'])('are refused as unsupported with type %j', async (type) => {
    await expectFailure('TAR_UNSUPPORTED', () => read({ type }));
  });

  it('may be summed over signed bytes', () => {
    const header = rawHeader({ name: 'caf\xe9', checksum: 'signed' });
    expect(listTar(tar([header]))[0]?.unsafeName).toBe('caf\xe9');
    sealHeader(header, 'unsigned');
    expect(listTar(tar([header]))[0]?.unsafeName).toBe('caf\xe9');
  });

  it('have a prefix in ustar form and none in V7 form', () => {
    expect(read({ prefix: 'pre/fix' }).unsafeName).toBe('pre/fix/member');
    const v7 = rawHeader({ magic: 'v7' });
    v7.write('pre/fix', 345);
    expect(listTar(tar([sealHeader(v7)]))[0]?.unsafeName).toBe('member');
  });

  it('have times in GNU form where ustar has the prefix, unless they are none', () => {
    expect(read({ magic: 'gnu', prefix: '14000000000\x0014000000000\0' }).unsafeName).toBe('member');
    expect(read({ magic: 'gnu', prefix: 'pre/fix' }).unsafeName).toBe('pre/fix/member');
    expect(read({ magic: 'gnu', prefix: 'pr\xe9/fix' }).unsafeName).toBe('member');
  });

  it('keep names as bytes, up to the first NUL', () => {
    expect(read({ name: Buffer.from([0xff, 0x80, 0x0a, 0x00, 0x41]) }).unsafeName).toBe('\xff\x80\n');
  });

  it('make a directory of the oldest type when the name ends in a slash', () => {
    expect(read({ type: '\0', name: 'd/' }).type).toBe('directory');
    expect(read({ type: '\0', name: 'd' }).type).toBe('file');
  });

  it.each([...'123456'])('of type %s have no content whatever their size says', (type) => {
    const listed = listTar(
      tar([rawHeader({ type, linkname: 'l', size: 512 }), rawHeader({ name: 'next', size: 2 }), padded('ok')]),
    );
    expect(listed.map(({ size, content }) => [size, content])).toEqual([
      [0, ''],
      [2, 'ok'],
    ]);
  });
});
