import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SignatureRefusal } from '../../../../src/signature/signed-content/refuse-signature.ts';
import { TAGS } from '../../../../src/signature/simple-signing/read-packets.ts';
import { readSignedMessage } from '../../../../src/signature/simple-signing/read-signed-message.ts';
import { compressedPacket, join, literalPacket, packet, packetsOf } from '../../../support/builders/openpgp-packets.ts';
import { simpleSignature, verdictOf } from '../../../support/signatures/simple-signatures.ts';

const MAX_BYTES = 4 * 1024 * 1024;
/** One-pass signature, literal, signature; not compressed. */
const MESSAGE = simpleSignature('uncompressed');
const PACKETS = packetsOf(MESSAGE);
const [ONE_PASS, LITERAL, SIGNATURE] = PACKETS as readonly [
  (typeof PACKETS)[0],
  (typeof PACKETS)[0],
  (typeof PACKETS)[0],
];
const OTHER_LITERAL = literalPacket('{"another":"text"}');

function refusalFor(bytes: Uint8Array, maxBytes = MAX_BYTES): SignatureRefusal | undefined {
  try {
    readSignedMessage(bytes, maxBytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof SignatureRefusal)) throw error;
    expect(error.code).toBe('SIGNATURE_REFUSED');
    return error;
  }
}

const reasonOf = (bytes: Uint8Array, maxBytes = MAX_BYTES): string => refusalFor(bytes, maxBytes)?.reason ?? 'accepted';
const textOf = (bytes: Uint8Array): string => refusalFor(bytes)?.message ?? 'accepted';

const withHeader = (header: readonly number[], body: Uint8Array): Buffer => Buffer.concat([Buffer.from(header), body]);

describe('readSignedMessage accepts one signed text, and the signature verifies', () => {
  it.each<[string, Uint8Array]>([
    ['with a one-pass signature', join(PACKETS)],
    ['with the signature in front', join([SIGNATURE, LITERAL])],
    ['compressed with ZIP', compressedPacket(MESSAGE)],
    ['compressed with ZLIB', compressedPacket(MESSAGE, 'zlib')],
    ['in a compressed packet that compresses nothing', packet(TAGS.compressed, withHeader([0], MESSAGE))],
    ['compressed with an unknown length', withHeader([0xa3, 1], deflateRawSync(MESSAGE))],
    ['with an unknown length of the text', Buffer.concat([join([SIGNATURE]), withHeader([0xaf], LITERAL.body)])],
    [
      'with lengths of the old format',
      Buffer.concat([
        withHeader([0x90, ONE_PASS.body.length], ONE_PASS.body),
        withHeader([0xad, LITERAL.body.length >> 8, LITERAL.body.length & 0xff], LITERAL.body),
        withHeader([0x8a, 0, 0, 0, SIGNATURE.body.length], SIGNATURE.body),
      ]),
    ],
  ])('%s', async (_, signature) => {
    expect(readSignedMessage(signature, MAX_BYTES).untrustedContent).toEqual(
      LITERAL.body.subarray(2 + (LITERAL.body[1] ?? 0) + 4),
    );
    expect(await verdictOf({ signature })).toBe('accepted');
  });
});

describe('readSignedMessage refuses', () => {
  it.each<[string, string, Uint8Array]>([
    ['nothing', 'empty', Buffer.alloc(0)],
    ['text', 'malformed', Buffer.from('hello')],
    ['a header alone', 'malformed', Buffer.from([0xc4])],
    ['packet type 0', 'malformed', Buffer.from([0xc0, 0])],
    ['only a one-pass signature', 'malformed', join([ONE_PASS])],
    ['the container of containers/image, which is opened before', 'malformed', Buffer.from('\0simple-signing\n')],
    ['ASCII armor', 'armored', Buffer.from('-----BEGIN PGP MESSAGE-----\n\n')],
    ['ASCII armor behind white space', 'armored', Buffer.from('\n \n-----BEGIN PGP MESSAGE-----\n\n')],
    ['cleartext', 'cleartext', Buffer.from('-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n')],
    ['a text without signature', 'unsigned', join([LITERAL])],
    ['a compressed text without signature', 'unsigned', compressedPacket(join([LITERAL]))],
    ['a signature without text', 'detached', join([SIGNATURE])],
    ['a text with an announced signature that is missing', 'unsigned', join([ONE_PASS, LITERAL])],
    ['two texts', 'malformed', Buffer.concat([join([ONE_PASS]), OTHER_LITERAL, join([LITERAL, SIGNATURE])])],
    [
      'two texts, the signed one first',
      'malformed',
      Buffer.concat([join([ONE_PASS, LITERAL]), OTHER_LITERAL, join([SIGNATURE])]),
    ],
    ['a text behind the message', 'trailing-data', Buffer.concat([MESSAGE, OTHER_LITERAL])],
    ['a text behind the old form', 'trailing-data', Buffer.concat([join([SIGNATURE, LITERAL]), OTHER_LITERAL])],
    ['a signature on both sides', 'several-signatures', join([SIGNATURE, LITERAL, SIGNATURE])],
    ['two messages', 'several-signatures', Buffer.concat([MESSAGE, MESSAGE])],
    ['a marker packet in front', 'malformed', Buffer.concat([packet(TAGS.marker, Buffer.from('PGP')), MESSAGE])],
    ['a marker packet behind', 'trailing-data', Buffer.concat([MESSAGE, packet(TAGS.marker, Buffer.from('PGP'))])],
    ['a public key inside', 'malformed', Buffer.concat([packet(TAGS.publicKey, Buffer.alloc(9)), MESSAGE])],
    ['encrypted data', 'encrypted', packet(TAGS.protectedData, Buffer.alloc(9))],
    ['compression twice', 'nested-compression', compressedPacket(compressedPacket(MESSAGE))],
    ['BZip2', 'compression', packet(TAGS.compressed, withHeader([3], MESSAGE))],
    ['an unknown compression', 'compression', packet(TAGS.compressed, withHeader([99], MESSAGE))],
    ['a packet behind the compressed one', 'trailing-data', Buffer.concat([compressedPacket(MESSAGE), OTHER_LITERAL])],
    ['a message behind the compressed one', 'trailing-data', Buffer.concat([compressedPacket(MESSAGE), MESSAGE])],
    [
      'bytes behind the compressed data',
      'trailing-data',
      withHeader([0xa3, 1], Buffer.concat([deflateRawSync(MESSAGE), Buffer.alloc(1)])),
    ],
    ['compressed data that is cut off', 'malformed', withHeader([0xa3, 1], deflateRawSync(MESSAGE).subarray(0, -8))],
    ['an unknown length of a signature', 'malformed', withHeader([0x8b], SIGNATURE.body)],
    ['a signature in parts', 'malformed', withHeader([0xc2, 0xe9], Buffer.alloc(600))],
    ['a first part of less than 512 bytes', 'malformed', withHeader([0xcb, 0xe0, 0], Buffer.from([0]))],
    ['a part without an end', 'malformed', withHeader([0xcb, 0xe9], Buffer.alloc(512))],
    ['a length of 4 GiB', 'malformed', withHeader([0xcb, 0xff, 0xff, 0xff, 0xff, 0xff], Buffer.alloc(9))],
    ['a part of 1 GiB', 'malformed', withHeader([0xcb, 0xfe], Buffer.alloc(9))],
    [
      'another announced hash',
      'malformed',
      join([{ ...ONE_PASS, body: changed(ONE_PASS.body, 2, 9) }, LITERAL, SIGNATURE]),
    ],
    [
      'an announced second signature',
      'several-signatures',
      join([{ ...ONE_PASS, body: changed(ONE_PASS.body, -1, 0) }, LITERAL, SIGNATURE]),
    ],
    ['version 3 of a signature', 'malformed', join([{ ...SIGNATURE, body: changed(SIGNATURE.body, 0, 3) }, LITERAL])],
    [
      'a signature of a certificate',
      'signature-type',
      join([{ ...SIGNATURE, body: changed(SIGNATURE.body, 1, 0x10) }, LITERAL]),
    ],
    [
      'subpackets that are cut off',
      'malformed',
      join([{ ...SIGNATURE, body: changed(SIGNATURE.body, 4, 0xff) }, LITERAL]),
    ],
    [
      'a text whose file name is cut off',
      'malformed',
      join([SIGNATURE, { ...LITERAL, body: Buffer.from('b\u00ffx', 'latin1') }]),
    ],
  ])('%s', async (_, reason, bytes) => {
    expect(reasonOf(bytes)).toBe(reason);
    expect(await verdictOf({ signature: bytes })).toBe(reason);
  });

  it('a signature that is larger than the limit, or decompresses to more', () => {
    const bomb = compressedPacket(literalPacket(Buffer.alloc(1_000_000)));
    expect(bomb.length).toBeLessThan(2000);
    expect(reasonOf(bomb, 100_000)).toBe('too-large');
    expect(reasonOf(MESSAGE, MESSAGE.length - 1)).toBe('too-large');
    expect(reasonOf(MESSAGE, MESSAGE.length)).toBe('accepted');
  });

  it('many small packets without looking at them all', () => {
    expect(reasonOf(Buffer.alloc(MAX_BYTES, Buffer.from([0xca, 0])))).toBe('malformed');
  });

  it('a text in millions of parts that does not end', () => {
    const parts = Buffer.concat([
      Buffer.from([0xcb, 0xe9]),
      Buffer.alloc(512),
      Buffer.alloc(1_000_000, Buffer.from([0xe0, 0x20])),
    ]);
    expect(reasonOf(parts)).toBe('malformed');
    expect(textOf(parts)).toContain('more than 1024 parts');
  });
});

describe('readSignedMessage bounds', () => {
  it('what a message decompresses to, below the limit for what it has on the wire', () => {
    const fill = 1024 * 1024 - join([ONE_PASS, SIGNATURE]).length - literalPacket('').length;
    const messageOf = (length: number) => compressedPacket(join([ONE_PASS, literalOf(length), SIGNATURE]));
    expect(textOf(messageOf(fill))).toBe('accepted');
    expect(reasonOf(messageOf(fill + 1))).toBe('too-large');
    expect(textOf(messageOf(fill + 1))).toBe('it decompresses to more than 1048576 bytes');
  });

  it('the parts of one packet', () => {
    const messageOf = (parts: number) => Buffer.concat([join([ONE_PASS]), literalInParts(parts), join([SIGNATURE])]);
    expect(textOf(messageOf(1024))).toBe('accepted');
    expect(reasonOf(messageOf(1025))).toBe('malformed');
    expect(textOf(messageOf(1025))).toContain('a packet comes in more than 1024 parts');
  });

  it.each(['hashed', 'unhashed'] as const)('the number of subpackets, also of %s ones', (area) => {
    const messageOf = (count: number) => join([withSubpackets(area, Array(count).fill(Buffer.from([100]))), LITERAL]);
    expect(textOf(messageOf(128 - NEEDED_SUBPACKETS))).toBe('accepted');
    expect(reasonOf(messageOf(129 - NEEDED_SUBPACKETS))).toBe('too-large');
    expect(textOf(messageOf(129 - NEEDED_SUBPACKETS))).toBe('it has more than 128 OpenPGP subpackets');
  });

  it.each(['hashed', 'unhashed'] as const)('the bytes of subpackets, also of %s ones', (area) => {
    // The type and five octets of length come with each subpacket.
    const free = 65_536 - NEEDED_SUBPACKET_BYTES - 6;
    const messageOf = (length: number) => join([withSubpackets(area, [Buffer.alloc(length + 1, 100)]), LITERAL]);
    expect(textOf(messageOf(free))).toBe('accepted');
    expect(reasonOf(messageOf(free + 1))).toBe('too-large');
    expect(textOf(messageOf(free + 1))).toBe('it has 65537 bytes of OpenPGP subpackets; expected at most 65536');
  });
});

const literalOf = (length: number) => ({
  ...LITERAL,
  body: Buffer.concat([Buffer.from('b\0\0\0\0\0'), Buffer.alloc(length)]),
});

/** A literal in so many parts, of which the last has the definite length. */
function literalInParts(count: number): Buffer {
  const first = Buffer.alloc(512);
  first.write('b');
  const others = Array.from({ length: count - 2 }, () => Buffer.from([0xe0, 0x20]));
  return Buffer.concat([Buffer.from([0xcb, 0xe9]), first, ...others, Buffer.from([0])]);
}

/** A creation time of six bytes and an issuer of ten. */
const NEEDED_SUBPACKETS = 2;
const NEEDED_SUBPACKET_BYTES = 6 + 10;

/** A signature of version 6, whose areas may have any size, with more subpackets in one area. */
function withSubpackets(area: 'hashed' | 'unhashed', more: readonly Buffer[]): (typeof PACKETS)[0] {
  const added = more.flatMap((subpacket) => [u32(subpacket.length, 0xff), subpacket]);
  const hashed = Buffer.concat([Buffer.from([5, 2, 0, 0, 0, 1]), ...(area === 'hashed' ? added : [])]);
  const unhashed = Buffer.concat([Buffer.from([9, 16]), Buffer.alloc(8, 7), ...(area === 'unhashed' ? added : [])]);
  const body = Buffer.concat([Buffer.from([6, 0, 27, 8]), u32(hashed.length), hashed, u32(unhashed.length), unhashed]);
  return { ...SIGNATURE, body };
}

/** Four octets, behind others. */
function u32(value: number, ...before: readonly number[]): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return Buffer.concat([Buffer.from(before), octets]);
}

function changed(bytes: Uint8Array, position: number, value: number): Uint8Array {
  const copy = Buffer.from(bytes);
  copy[position < 0 ? copy.length + position : position] = value;
  return copy;
}
