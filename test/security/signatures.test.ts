import { describe, expect, it } from 'vitest';
import { TAGS } from '../../src/signature/simple-signing/read-packets.ts';
import { compressedPacket, join, literalPacket, packet, packetsOf } from '../support/builders/openpgp-packets.ts';
import { signingKey, simpleSignature, verdictOf } from '../support/signatures/simple-signatures.ts';

const MESSAGE = simpleSignature('uncompressed');
const [ONE_PASS, LITERAL, SIGNATURE] = packetsOf(MESSAGE).map((each) => join([each])) as [Buffer, Buffer, Buffer];
/** What an attacker would like to have signed. */
const FORGED = literalPacket(
  JSON.stringify({
    critical: {
      type: 'atomic container signature',
      image: { 'docker-manifest-digest': `sha256:${'0'.repeat(64)}` },
      identity: { 'docker-reference': 'registry.example/team/app:1' },
    },
    optional: {},
  }),
);

const judge = (...parts: readonly Uint8Array[]) => verdictOf({ signature: Buffer.concat(parts) });

it('control: the message of which these forgeries are made is accepted, in both forms, compressed or not', async () => {
  for (const parts of [
    [ONE_PASS, LITERAL, SIGNATURE],
    [SIGNATURE, LITERAL],
  ]) {
    expect(await judge(...parts)).toBe('accepted');
    expect(await judge(compressedPacket(Buffer.concat(parts)))).toBe('accepted');
  }
});

describe('CVE-2025-47934 (OpenPGP.js): text of another part is returned as signed', () => {
  it.each<[string, readonly Uint8Array[]]>([
    ['in front of the message', [FORGED, ONE_PASS, LITERAL, SIGNATURE]],
    ['behind the message', [ONE_PASS, LITERAL, SIGNATURE, FORGED]],
    ['in front of the signed text', [ONE_PASS, FORGED, LITERAL, SIGNATURE]],
    ['behind the signed text', [ONE_PASS, LITERAL, FORGED, SIGNATURE]],
    ['instead of the signed text', [ONE_PASS, FORGED, SIGNATURE]],
    ['in front of the old form', [FORGED, SIGNATURE, LITERAL]],
    ['behind the old form', [SIGNATURE, LITERAL, FORGED]],
    ['compressed, in front', [compressedPacket(FORGED), ONE_PASS, LITERAL, SIGNATURE]],
    ['compressed, behind', [ONE_PASS, LITERAL, SIGNATURE, compressedPacket(FORGED)]],
    ['instead of the text, which is compressed beside it', [ONE_PASS, compressedPacket(LITERAL), FORGED, SIGNATURE]],
    ['in one compressed packet, with the message in another', [compressedPacket(MESSAGE), compressedPacket(FORGED)]],
    [
      'beside a message in an inner compressed packet',
      [compressedPacket(Buffer.concat([compressedPacket(MESSAGE), FORGED]))],
    ],
  ])('%s', async (_, parts) => {
    expect(await judge(...parts)).not.toBe('accepted');
    expect(await judge(compressedPacket(Buffer.concat(parts)))).not.toBe('accepted');
  });
});

describe('CVE-2023-41037 (OpenPGP.js): text in the headers of a cleartext signature is shown as signed', () => {
  const cleartext = simpleSignature('cleartext').toString();

  it.each([
    ['as it is', cleartext],
    ['with text among its headers', cleartext.replace('\n\n', '\nforged: text\n\n')],
    ['with an empty header', cleartext.replace('Hash: SHA256', '')],
    ['behind white space', ` \r\n\t${cleartext}`],
  ])('%s: the framework is refused', async (_, text) => {
    expect(await judge(Buffer.from(text))).toBe('cleartext');
  });
});

describe('CVE-2025-68972 (GnuPG): text behind a form feed is taken for signed', () => {
  it('in a cleartext signature, which is refused', async () => {
    const text = simpleSignature('cleartext')
      .toString()
      .replace('\n-----BEGIN PGP SIGNATURE', '\f\n-----BEGIN PGP SIGNATURE');
    expect(text).toContain('\f');
    expect(await judge(Buffer.from(text))).toBe('cleartext');
  });

  it('in a binary message, where each byte counts', async () => {
    expect(await judge(MESSAGE, Buffer.from('\f{}'))).not.toBe('accepted');
    const [onePass, literal, signature] = packetsOf(MESSAGE);
    if (onePass === undefined || literal === undefined || signature === undefined)
      throw new Error('a packet is missing');
    const longer = { ...literal, body: Buffer.concat([literal.body, Buffer.from('\f')]) };
    expect(await judge(join([onePass, longer, signature]))).toBe('not-authentic');
  });
});

describe('CVE-2025-68973 (GnuPG): the reader of ASCII armor writes beyond its buffer', () => {
  it('armor around a signature is not decoded', async () => {
    const armored = simpleSignature('armored').toString();
    expect(await judge(Buffer.from(armored))).toBe('armored');
    expect(await judge(Buffer.from(armored.replaceAll('=', '')))).toBe('armored');
  });

  it('armor around keys is decoded within its bytes, or refused', async () => {
    const armored = signingKey('ed25519-armored').toString();
    expect(await verdictOf({ keys: [Buffer.from(armored)] })).toBe('accepted');
    for (let length = 0; length < armored.length; length += 5) {
      await expect(verdictOf({ keys: [Buffer.from(armored.slice(0, length))] })).rejects.toMatchObject({
        code: 'POLICY_INVALID',
      });
    }
    const endless = armored.replace('\n\n', `\n\n${'A'.repeat(400_000)}`);
    await expect(verdictOf({ keys: [Buffer.from(endless)] })).rejects.toMatchObject({ code: 'POLICY_INVALID' });
  });
});

describe('gpg.fail (GnuPG and others): parts of one message are read in two ways', () => {
  it.each<[string, string, readonly Uint8Array[]]>([
    ['a detached signature in a message of its own', 'detached', [simpleSignature('detached')]],
    ['a detached signature behind a text', 'malformed', [LITERAL, SIGNATURE]],
    ['a second signature', 'several-signatures', [ONE_PASS, LITERAL, SIGNATURE, SIGNATURE]],
    ['a second one-pass signature', 'several-signatures', [ONE_PASS, ONE_PASS, LITERAL, SIGNATURE]],
    ['a message within a literal', 'not-authentic', [ONE_PASS, literalPacket(MESSAGE), SIGNATURE]],
    ['an unknown packet inside', 'malformed', [ONE_PASS, packet(60, Buffer.from('x')), LITERAL, SIGNATURE]],
    ['padding inside', 'malformed', [ONE_PASS, LITERAL, packet(21, Buffer.alloc(8)), SIGNATURE]],
    [
      'a key of the attacker inside',
      'malformed',
      [packet(TAGS.publicKey, Buffer.alloc(30)), ONE_PASS, LITERAL, SIGNATURE],
    ],
    ['text mode, where line ends are not signed', 'signature-type', [simpleSignature('text-mode')]],
    ['an old hash', 'weak-hash', [simpleSignature('hash-SHA1')]],
  ])('%s', async (_, reason, parts) => {
    expect(await judge(...parts)).toBe(reason);
  });
});

describe('CVE-2024-53856 (rPGP): malformed packets end the program', () => {
  const HEADERS = [0x80, 0x83, 0x88, 0x8b, 0x90, 0xa0, 0xa3, 0xac, 0xaf, 0xc0, 0xc2, 0xc4, 0xc8, 0xcb, 0xd2, 0xff];
  const LENGTHS = [
    [],
    [0],
    [1],
    [0xbf],
    [0xc0],
    [0xc0, 0],
    [0xdf, 0xff],
    [0xe0],
    [0xe9],
    [0xfe],
    [0xff],
    [0xff, 0xff, 0xff, 0xff, 0xff],
  ];

  it.each(HEADERS)('packets that begin with 0x%s and any length are refused with a reason', async (header) => {
    for (const length of LENGTHS) {
      for (const body of [Buffer.alloc(0), Buffer.alloc(3, 0xff), Buffer.alloc(600)]) {
        const head = Buffer.from([header, ...length]);
        expect(await judge(head, body)).not.toBe('accepted');
        expect(await judge(ONE_PASS, LITERAL, head, body)).not.toBe('accepted');
      }
    }
  });

  it('a signature whose fields are cut off anywhere is refused with a reason', async () => {
    const [signature] = packetsOf(SIGNATURE);
    if (signature === undefined) throw new Error('a packet is missing');
    for (let length = 0; length < signature.body.length; length += 1) {
      const cut = join([{ ...signature, body: signature.body.subarray(0, length) }]);
      expect(await judge(cut, LITERAL), `${length} bytes`).not.toBe('accepted');
    }
  });

  it('a key that is cut off or altered anywhere is refused, or verifies what it verified', async () => {
    const key = signingKey('ed25519');
    expect(await verdictOf({ keys: [key] })).toBe('accepted');
    for (let position = 0; position < key.length; position += 1) {
      const altered = Buffer.from(key);
      altered.writeUInt8(altered.readUInt8(position) ^ 0x41, position);
      const verdict = await verdictOf({ keys: [altered] }).catch(({ code }) => code);
      expect([
        'POLICY_INVALID',
        'unknown-key',
        'key-unusable',
        'not-authentic',
        'weak-key',
        'key-newer',
        'key-expired',
        'accepted',
      ]).toContain(verdict);
      const cut = await verdictOf({ keys: [key.subarray(0, position)] }).catch(({ code }) => code);
      expect(['POLICY_INVALID', 'unknown-key', 'key-unusable']).toContain(cut);
    }
  });
});
