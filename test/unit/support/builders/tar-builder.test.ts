import { describe, expect, it } from 'vitest';
import {
  base256,
  dir,
  file,
  paxRecord,
  rawHeader,
  symlink,
  tar,
  tarStream,
} from '../../../support/builders/tar-builder.ts';
import { listTar } from '../../../support/oracles/tar-listing.ts';

describe('the tar builder', () => {
  it('counts the digits of a record length in the length', () => {
    expect(paxRecord('a', 'b').toString()).toBe('6 a=b\n');
    expect(paxRecord('path', 'x'.repeat(88)).toString()).toMatch(/^97 path=x+\n$/);
    for (let length = 80; length < 1100; length++) {
      const record = paxRecord('k', 'v'.repeat(length));
      expect(Number.parseInt(record.toString(), 10)).toBe(record.length);
    }
  });

  it("writes base-256 as two's complement with the first bit set", () => {
    expect(base256(-1n, 8).toString('hex')).toBe('ffffffffffffffff');
    expect(base256(2n ** 40n, 12).toString('hex')).toBe('800000000000010000000000');
  });

  it('writes the bytes of a plain file as POSIX has them', () => {
    const archive = tar([file('a', 'hi', { mtime: { seconds: 0 } })]);
    expect(archive.length).toBe(2048);
    expect(archive.toString('latin1', 100, 148)).toBe('0000644\x000000000\x000000000\x0000000000002\x0000000000000\0');
    expect(archive.toString('latin1', 257, 265)).toBe('ustar\x0000');
    expect(archive.toString('latin1', 512, 515)).toBe('hi\0');
  });

  it('says in PAX or GNU form what ustar cannot', () => {
    const attributes = { uid: 3_000_000, gid: 4_000_000, mtime: { seconds: -7 } };
    for (const format of ['pax', 'gnu'] as const) {
      const listed = listTar(
        tar([file('n'.repeat(200), 'x', { ...attributes, format }), symlink('s', 'l'.repeat(200), { format })]),
      );
      expect(listed[0]).toMatchObject({
        unsafeName: 'n'.repeat(200),
        uid: 3_000_000,
        gid: 4_000_000,
        mtime: { seconds: -7 },
      });
      expect(listed[1]?.unsafeLinkname).toBe('l'.repeat(200));
    }
    expect(() => tar([file('a', '', { ...attributes, format: 'ustar' })])).toThrow('does not fit');
  });

  it('asks for generated content only when it is its turn', () => {
    const asked: number[] = [];
    function* chunks() {
      for (let index = 0; index < 4; index++) {
        asked.push(index);
        yield Buffer.alloc(300, String(index));
      }
    }
    const pieces = tarStream([file('big', { size: 1200, chunks: chunks() }), dir('d')]);
    pieces.next();
    expect(asked).toEqual([]);
    const rest = Buffer.concat([...pieces]);
    expect(asked).toEqual([0, 1, 2, 3]);
    const [big] = listTar(Buffer.concat([rawHeader({ name: 'big', size: 1200 }), rest]));
    expect(big?.content).toBe(['0', '1', '2', '3'].map((digit) => digit.repeat(300)).join(''));
  });
});
