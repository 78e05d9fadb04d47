import { describe, expect, it } from 'vitest';
import { contextTag, type DerValue, readDer, TAG } from '../../../../src/signature/certificates/read-der.ts';
import { bits, der, integer, octets, oid, sequence, utf8, yes } from '../../../support/signatures/der-builder.ts';

const refuse = (what: string): never => {
  throw new Error(what);
};
const read = (bytes: Uint8Array, maxDepth = 32): DerValue => readDer(bytes, { maxDepth }, refuse);
const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const text = (tag: number, value: string): Uint8Array => der(tag, Buffer.from(value));

/** A sequence in a sequence, so many deep. */
function nest(depth: number): Buffer {
  return depth === 1 ? sequence() : sequence(nest(depth - 1));
}

describe('readDer', () => {
  it('reads one value with all its members, in order', () => {
    const members = read(sequence(integer(5), utf8('é'), sequence(yes), octets(Buffer.from('x')))).members();
    expect(members.next().smallInteger()).toBe(5);
    expect(members.nextIf(TAG.boolean)).toBeUndefined();
    expect(members.next().utf8()).toBe('é');
    expect(members.next().members().next().boolean()).toBe(true);
    expect(() => members.end()).toThrow('no further member');
    expect(members.rest().map(({ tag }) => tag)).toEqual([TAG.octetString]);
    members.end();
    expect(() => members.next()).toThrow('a further member');
  });

  it('reads members of a tag of their own', () => {
    const tag = contextTag(3, 'constructed');
    expect(
      read(der(tag, integer(1)))
        .members(tag)
        .next()
        .smallInteger(),
    ).toBe(1);
    expect(() => read(der(tag, integer(1))).members()).toThrow('type 0x30 in DER, got 0xa3');
  });

  it('reads lengths of one to three bytes', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      expect(read(octets(Buffer.alloc(length))).octets().length).toBe(length);
    }
  });

  it('reads values that are nested as deep as the limit says, and no deeper', () => {
    expect(read(nest(32)).tag).toBe(TAG.sequence);
    expect(() => read(nest(33))).toThrow('its DER is nested deeper than 32 (maxDerDepth)');
    expect(() => read(nest(5), 4)).toThrow('maxDerDepth');
    expect(() => read(nest(5000))).toThrow('maxDerDepth');
  });

  it('reads a bounded number of values', () => {
    const many = (count: number) => sequence(...Array.from({ length: count }, () => der(0x05)));
    expect(read(many(9_999)).members().rest()).toHaveLength(9_999);
    expect(() => read(many(10_000))).toThrow('more than 10000 values');
  });

  it.each<[string, Uint8Array]>([
    ['nothing', hex('')],
    ['two values', hex('0500 0500')],
    ['a tag alone', hex('30')],
    ['a value that ends early', hex('0403 0102')],
    ['a member that ends early', hex('3003 0403 01')],
    ['a length of indefinite form', hex('3080 0000')],
    ['a length that could be shorter', hex('0481 01 00')],
    ['a length with a zero in front', hex('0482 00ff')],
    ['a length of 4 GiB (CVE-2025-66564)', hex('0484 ffffffff 00')],
    ['a length of five bytes', hex('0485 0000000001 00')],
    ['a length that ends early', hex('0482 01')],
    ['a tag of several bytes', hex('1f81 01 00')],
  ])('refuses %s', (_, bytes) => {
    expect(() => read(bytes)).toThrow();
  });

  it.each<[string, (value: DerValue) => unknown, Uint8Array]>([
    ['true that is not 255', (value) => value.boolean(), hex('0101 01')],
    ['a truth value of two bytes', (value) => value.boolean(), hex('0102 ffff')],
    ['an integer without bytes', (value) => value.integerBytes(), hex('0200')],
    ['an integer with a zero in front', (value) => value.integerBytes(), hex('0202 007f')],
    ['an integer with needless ones in front', (value) => value.integerBytes(), hex('0202 ff80')],
    ['a negative small integer', (value) => value.smallInteger(), hex('0201 80')],
    ['a small integer of five bytes', (value) => value.smallInteger(), hex('0205 0100000000')],
    ['an object identifier without bytes', (value) => value.objectIdentifier(), hex('0600')],
    ['an object identifier that ends early', (value) => value.objectIdentifier(), hex('0602 2a86')],
    ['an object identifier with a needless byte', (value) => value.objectIdentifier(), hex('0603 2a8001')],
    ['an object identifier of 65 bytes', (value) => value.objectIdentifier(), der(0x06, Buffer.alloc(65, 1))],
    // Would take minutes, since the time grows with the square of the length.
    ['a long object identifier', (value) => value.objectIdentifier(), der(0x06, Buffer.alloc(1_000_000, 0xff))],
    // Would take hundreds of MB.
    ['many named bits', (value) => value.namedBits(), bits(Buffer.alloc(4_000_000, 0xff))],
    ['a bit string of seven bits', (value) => value.bitString(), hex('0302 01fe')],
    ['a bit string without its first byte', (value) => value.bitString(), hex('0300')],
    ['named bits with a zero at the end', (value) => value.namedBits(), hex('0302 0080')],
    ['named bits that are not there', (value) => value.namedBits(), hex('0302 0700')],
    ['named bits with too many unused', (value) => value.namedBits(), hex('0302 0880')],
    ['a text that is not UTF-8', (value) => value.utf8(), hex('0c01 ff')],
    ['ASCII with a control character', (value) => value.ia5(), hex('1601 00')],
    ['ASCII beyond it', (value) => value.ia5(), hex('1601 e9')],
    ['a time without seconds', (value) => value.time(), text(0x17, '2611302246Z')],
    ['a time without zone', (value) => value.time(), text(0x17, '261130224600')],
    ['a time in another zone', (value) => value.time(), text(0x17, '261130224600+0100')],
    ['a day that does not exist', (value) => value.time(), text(0x17, '260231224600Z')],
    ['a 24th hour', (value) => value.time(), text(0x17, '261130240000Z')],
    ['a time with a fraction', (value) => value.time(), text(0x18, '20261130224600.5Z')],
    ['a text as a time', (value) => value.time(), text(0x0c, '261130224600Z')],
    ['a primitive sequence', (value) => value.members(0x10), hex('1000')],
    ['another type', (value) => value.utf8(), hex('0500')],
  ])('refuses %s', (_, use, bytes) => {
    expect(() => use(read(bytes))).toThrow('in DER');
  });

  it('reads object identifiers, bits and times', () => {
    for (const id of ['2.5.29.17', '1.3.6.1.4.1.57264.1.8', '2.999.3', '0.9', '1.39']) {
      expect(read(oid(id)).objectIdentifier()).toBe(id);
    }
    expect([...read(hex('0302 0106')).namedBits()]).toEqual([5, 6]);
    expect([...read(hex('0303 07 0080')).namedBits()]).toEqual([8]);
    expect([...read(hex('0301 00')).namedBits()]).toEqual([]);
    expect(Buffer.from(read(bits(Buffer.from('x'))).bitString()).toString()).toBe('x');
    expect(read(text(0x17, '491231235959Z')).time().toISOString()).toBe('2049-12-31T23:59:59.000Z');
    expect(read(text(0x17, '500101000000Z')).time().toISOString()).toBe('1950-01-01T00:00:00.000Z');
    expect(read(text(0x18, '20500101000000Z')).time().toISOString()).toBe('2050-01-01T00:00:00.000Z');
  });
});
