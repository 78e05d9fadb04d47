import { describe, expect, it } from 'vitest';
import { readKeyRings } from '../../../../src/signature/simple-signing/read-key-rings.ts';
import { TAGS } from '../../../../src/signature/simple-signing/read-packets.ts';
import { join, packet, packetsOf } from '../../../support/builders/openpgp-packets.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { signingKey, simpleSignature, verdictOf } from '../../../support/signatures/simple-signatures.ts';

const LIMITS = { maxSignatureBytes: 1, maxKeyRingBytes: 1024 * 1024, maxKeyRingKeys: 100 };
const ARMORED = signingKey('ed25519-armored').toString();
const TRUST = packet(TAGS.trust, Buffer.alloc(2));

function read(rings: readonly (string | Uint8Array)[], limits = LIMITS) {
  return readKeyRings(
    rings.map((ring) => ({ name: '/keys/ring', rawBytes: Buffer.from(ring) })),
    limits,
  );
}

describe('readKeyRings', () => {
  it.each<[string, number, readonly (string | Uint8Array)[]]>([
    ['a binary key', 1, [signingKey('ed25519')]],
    ['a key in armor', 1, [ARMORED]],
    ['armor with line ends of Windows', 1, [ARMORED.replaceAll('\n', '\r\n')]],
    ['armor with headers', 1, [ARMORED.replace('\n\n', '\nVersion: GnuPG v2\nComment:\n\n')]],
    ['armor without checksum', 1, [ARMORED.replace(/^=.*\n/m, '')]],
    ['blocks with text around them', 2, [signingKey('two-armored')]],
    ['three keys in a row', 3, [signingKey('three')]],
    ['the same key twice as one', 1, [signingKey('ed25519'), ARMORED]],
    [
      'a key ring of gpg, with trust packets',
      1,
      [Buffer.concat(packetsOf(signingKey('ed25519')).flatMap((each) => [join([each]), TRUST]))],
    ],
    [
      'a key behind one of an old version',
      1,
      [
        Buffer.concat([
          packet(TAGS.publicKey, Buffer.from([3, 0])),
          packet(TAGS.userId, Buffer.from('old')),
          signingKey('ed25519'),
        ]),
      ],
    ],
  ])('reads %s', async (_, count, rings) => {
    expect(read(rings)).toHaveLength(count);
    expect(await verdictOf({ keys: rings.map((ring) => Buffer.from(ring)) })).toBe('accepted');
  });

  it('lists the key IDs of primary key and subkeys', () => {
    const [key] = read([signingKey('subkey')]);
    expect(key?.keyIds).toHaveLength(2);
    expect(key?.fingerprint.endsWith(key.keyIds[0] ?? '-')).toBe(true);
  });

  it.each<[string, RegExp, readonly (string | Uint8Array)[]]>([
    ['an empty file', /in binary form or in ASCII armor/, ['']],
    ['text', /in binary form or in ASCII armor/, ['hello']],
    ['an empty file beside a good one', /in binary form or in ASCII armor/, [ARMORED, '']],
    ['a PEM key', /got PUBLIC KEY/, ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n']],
    ['a secret key', /got a secret key/, [signingKey('secret')]],
    [
      'a block that gpg disabled beside a key',
      /remove the colon/,
      [ARMORED + ARMORED.replace('-----BEGIN', ':-----BEGIN')],
    ],
    ['a secret key in armor', /got PGP PRIVATE KEY BLOCK/, [signingKey('secret-armored')]],
    ['a signature', /the first packet is no key/, [simpleSignature('detached')]],
    ['a message', /OpenPGP packet of type/, [simpleSignature('uncompressed')]],
    ['armor without end', /no end/, [ARMORED.slice(0, -10)]],
    ['armor without empty line', /headers/, [ARMORED.replace('\n\n', '\n')]],
    ['armor with another character', /damaged/, [ARMORED.replace('\n\n', '\n\n*')]],
    ['armor with a character less', /damaged/, [ARMORED.replace(/\n\n./, '\n\n')]],
    ['armor whose content is changed', /checksum/, [ARMORED.replace(/\n\n(.)(.)/, (_, a, b) => `\n\n${b}${a}`)]],
    ['a key that is cut off', /cut off/, [signingKey('ed25519').subarray(0, -1)]],
    ['bytes behind the key', /begins no packet/, [Buffer.concat([signingKey('ed25519'), Buffer.alloc(1)])]],
    ['keys of old versions only', /OpenPGP version 4 or 6/, [packet(TAGS.publicKey, Buffer.from([3, 0]))]],
    [
      'a damaged revocation',
      /revocation certificate is damaged/,
      [ARMORED, packet(TAGS.signature, Buffer.from([4, 0x20, 22, 8, 0xff, 0xff]))],
    ],
    [
      'a revocation of a key that is not there',
      /which is in none of them/,
      [ARMORED, signingKey('revocation-certificate')],
    ],
  ])('refuses %s', async (_, message, rings) => {
    const error = await expectFailure('POLICY_INVALID', () => read(rings));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^policy: key rings?/);
  });

  it('bounds the bytes and the keys of all rings together', async () => {
    const key = signingKey('ed25519');
    expect(read([key, key], { ...LIMITS, maxKeyRingKeys: 2, maxKeyRingBytes: key.length * 2 })).toHaveLength(1);
    for (const [limit, value] of [
      ['maxKeyRingKeys', 1],
      ['maxKeyRingBytes', key.length * 2 - 1],
    ] as const) {
      const error = await expectFailure('POLICY_INVALID', () => read([key, key], { ...LIMITS, [limit]: value }));
      expect(error.context['limit']).toBe(limit);
    }
  });
});

describe('a signing subkey', () => {
  const packets = packetsOf(signingKey('subkey'));

  it('needs the cross-certification that binds the primary key to it', async () => {
    const last = packets.at(-1);
    if (last === undefined) throw new Error('the key has no packet');
    const without = Buffer.concat([join(packets.slice(0, -1)), join([{ ...last, body: withoutUnhashed(last.body) }])]);
    expect(await verdictOf({ signature: 'subkey', keys: [join(packets)] })).toBe('accepted');
    expect(await verdictOf({ signature: 'subkey', keys: [without] })).toBe('key-unusable');
  });

  it('needs a binding at all', async () => {
    expect(await verdictOf({ signature: 'subkey', keys: [join(packets.slice(0, -1))] })).toBe('key-unusable');
  });

  it('is not accepted below another primary key', async () => {
    const other = packetsOf(signingKey('ed25519'));
    const moved = Buffer.concat([join(other), join(packets.slice(-2))]);
    expect(await verdictOf({ signature: 'subkey', keys: [moved] })).toBe('key-unusable');
    expect(await verdictOf({ signature: 'ed25519', keys: [moved] })).toBe('accepted');
  });
});

/** Keeps the issuer of a signature and drops the signature inside it, which nothing protects. */
function withoutUnhashed(body: Uint8Array): Uint8Array {
  const view = Buffer.from(body);
  const start = 6 + view.readUInt16BE(4);
  const length = view.readUInt16BE(start);
  const area = view.subarray(start + 2, start + 2 + length);
  const issuer = area.indexOf(Buffer.from([9, 16]));
  const kept = area.subarray(issuer, issuer + 10);
  return Buffer.concat([
    view.subarray(0, start),
    Buffer.from([0, kept.length]),
    kept,
    view.subarray(start + 2 + length),
  ]);
}
