import { describe, expect, it } from 'vitest';
import { parseDigest } from '../../../../src/oci/index.ts';
import { type Packet, TAGS } from '../../../../src/signature/simple-signing/read-packets.ts';
import { join, packetsOf } from '../../../support/builders/openpgp-packets.ts';
import {
  CHECKED_AT,
  judgeSignature,
  SIGNED_DIGEST,
  SIGNED_REFERENCE,
  signingKey,
  verdictOf,
} from '../../../support/signatures/simple-signatures.ts';

/** A copy of a key with revocations, each a certificate or a packet, behind the primary key, as gpg exports them. */
function copyWith(key: string, ...revocations: readonly (string | Packet)[]): Buffer {
  const [primary, ...others] = packetsOf(signingKey(key));
  if (primary === undefined) throw new Error(`${key} is empty`);
  return join([
    primary,
    ...revocations.map((each) => (typeof each === 'string' ? certificate(each) : each)),
    ...others,
  ]);
}

function certificate(name: string): Packet {
  const raw = signingKey(name);
  const [text = ''] = /(?<=\n\n)[A-Za-z0-9+/=\n]+(?=\n=)/.exec(raw.toString('latin1')) ?? [];
  const [found] = packetsOf(text === '' ? raw : Buffer.from(text, 'base64'));
  if (found === undefined) throw new Error(`${name} is empty`);
  return found;
}

function damaged(name: string): Packet {
  const { body, ...packet } = certificate(name);
  const changed = Buffer.from(body);
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
  return { ...packet, body: changed };
}

/** A packet that says version 3, with the type where that version has it. */
function ofVersion3(name: string): Packet {
  const { body, ...packet } = certificate(name);
  return { ...packet, body: Buffer.concat([Buffer.from([3, 5, 0x20]), body.subarray(2)]) };
}

const OTHER_DIGEST = parseDigest(`sha256:${'0'.repeat(64)}`);

describe('a simple signature counts', () => {
  it.each(['rsa2048', 'nistp256', 'nistp384', 'nistp521', 'ed25519', 'subkey', 'sq'])(
    'by a key of kind %s',
    async (name) => {
      expect(await verdictOf({ signature: name, keys: [name] })).toBe('accepted');
    },
  );

  it.each(['zip', 'zlib', 'uncompressed', 'in-parts', 'hash-SHA384', 'hash-SHA512', 'notation'])(
    'in the form %s',
    async (signature) => {
      expect(await verdictOf({ signature })).toBe('accepted');
    },
  );

  it.each(['ed25519', 'ed25519-armored', 'three', 'two-armored'])('with the key ring %s', async (ring) => {
    expect(await verdictOf({ keys: [ring] })).toBe('accepted');
  });

  it('with its key in the last of several files', async () => {
    expect(await verdictOf({ keys: ['rsa2048', 'two-armored'] })).toBe('accepted');
  });

  it('and names the primary key, also when a subkey signed', async () => {
    const verdict = await judgeSignature({ signature: 'subkey', keys: ['subkey'] });
    expect(verdict).toEqual({
      kind: 'accepted',
      signer: { fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/), signedAt: '2026-02-01T00:00:00.000Z' },
      signedReference: SIGNED_REFERENCE,
    });
  });

  it('for the manifest or any index on the way to it', async () => {
    expect(await verdictOf({ digests: [OTHER_DIGEST, SIGNED_DIGEST] })).toBe('accepted');
  });
});

describe('a simple signature does not count', () => {
  it.each([
    ['armored', 'armored'],
    ['cleartext', 'cleartext'],
    ['detached', 'detached'],
    ['unsigned', 'unsigned'],
    ['encrypted', 'encrypted'],
    ['two-signers', 'several-signatures'],
    ['two-signers-uncompressed', 'several-signatures'],
    ['bzip2', 'compression'],
    ['text-mode', 'signature-type'],
    ['critical-notation', 'not-authentic'],
    ['hash-SHA224', 'not-authentic'],
  ])('that is %s', async (signature, reason) => {
    expect(await verdictOf({ signature })).toBe(reason);
  });

  it.each(['MD5', 'SHA1', 'RIPEMD160'])('with the hash %s', async (hash) => {
    expect(await verdictOf({ signature: `hash-${hash}`, keys: ['rsa2048'] })).toBe('weak-hash');
  });

  it.each(['rsa1024', 'dsa2048', 'brainpoolP256r1', 'secp256k1'])('by a key of kind %s', async (name) => {
    expect(await verdictOf({ signature: name, keys: [name] })).toBe('weak-key');
  });

  it('by a key that no ring holds, and the remedy is to add it', async () => {
    expect(await judgeSignature({ signature: 'nistp256' })).toMatchObject({
      reason: 'unknown-key',
      text: expect.stringMatching(/^it names key [0-9A-F]{40}, which the key ring does not hold$/),
      remedy: expect.stringContaining('keyPath'),
    });
  });

  it('for another image', async () => {
    expect(await judgeSignature({ digests: [OTHER_DIGEST] })).toMatchObject({
      reason: 'digest',
      text: expect.stringContaining(SIGNED_DIGEST),
    });
  });

  it('for another name, and the remedy is the rule that accepts what was signed', async () => {
    const verdict = await judgeSignature({ imageReference: 'mirror.example/team/app:1' });
    expect(verdict).toMatchObject({ reason: 'identity' });
    const rule =
      /"signedIdentity": (\{.*\})$/.exec(verdict.kind === 'refused' ? (verdict.remedy ?? '') : '')?.[1] ?? '';
    const identity = JSON.parse(rule);
    expect(identity).toEqual({ type: 'exactReference', dockerReference: SIGNED_REFERENCE });
    expect(await verdictOf({ imageReference: 'mirror.example/team/app:1', identity })).toBe('accepted');
  });
});

describe('what holds now decides, not what held when the signature was made', () => {
  const before = Date.parse('2026-05-31T23:59:59Z');
  const at = Date.parse('2026-06-01T12:00:00Z');
  const cases = [
    ['key', 'expiring', 'expiring', 'key-expired'],
    ['signing subkey', 'expiring-subkey', 'expiring-subkey', 'key-expired'],
    ['signature', 'expiring-signature', 'ed25519', 'signature-expired'],
  ] as const;

  it.each(cases)('an expired %s', async (_, signature, key, reason) => {
    expect(await verdictOf({ signature, keys: [key], nowMs: before })).toBe('accepted');
    expect(await verdictOf({ signature, keys: [key], nowMs: at + 24 * 3_600_000 })).toBe(reason);
  });

  it.each(['expiring-extended', 'expiring-extended-minimal'])('a key whose life was extended: %s', async (key) => {
    expect(await verdictOf({ signature: 'expiring', keys: [key], nowMs: at + 24 * 3_600_000 })).toBe('accepted');
  });

  it('a signature from the future, beyond the difference of two clocks', async () => {
    const made = Date.parse('2026-02-01T00:00:00Z');
    expect(await verdictOf({ nowMs: made - 4 * 60_000 })).toBe('accepted');
    expect(await verdictOf({ nowMs: made - 6 * 60_000 })).toBe('signature-from-future');
    expect(await verdictOf({ signature: 'from-2031' })).toBe('signature-from-future');
  });

  it.each([
    ['in the key', ['revoked-with-certificate']],
    ['in a file of its own, as gpg makes it', ['revoked', 'revocation-certificate']],
    ['in one of two copies of the key', ['revoked', 'revoked-with-certificate']],
    ['in the other copy', ['revoked-with-certificate', 'revoked']],
  ])('a revoked key, revoked %s', async (_, keys) => {
    expect(await verdictOf({ signature: 'revoked', keys: ['revoked'] })).toBe('accepted');
    expect(await verdictOf({ signature: 'revoked', keys })).toBe('key-revoked');
  });

  it('a revoked key, also before the time of its revocation', async () => {
    const nowMs = Date.parse('2026-02-02T00:00:00Z');
    expect(await verdictOf({ signature: 'revoked', keys: ['revoked-with-certificate'], nowMs })).toBe('key-revoked');
  });

  it('a revoked key, also when the revocation has a hash that is too weak for signatures', async () => {
    const signed = { signature: 'revoked-weakly' };
    expect(await verdictOf({ ...signed, keys: ['revoked-weakly'] })).toBe('accepted');
    expect(await verdictOf({ ...signed, keys: ['revoked-weakly', 'weak-revocation'] })).toBe('key-revoked');
  });

  it('a key that was retired, from then on', async () => {
    const judged = { signature: 'retired', keys: ['retired', 'retirement'] };
    expect(await verdictOf(judged)).toBe('accepted');
    expect(await verdictOf({ ...judged, nowMs: Date.parse('2026-07-01T00:00:00Z') })).toBe('key-revoked');
  });

  it.each([
    ['one copy', [copyWith('retired', 'retirement', 'compromise')]],
    ['copies', [copyWith('retired', 'retirement'), copyWith('retired', 'compromise')]],
    ['copies in another order', [copyWith('retired', 'compromise'), copyWith('retired', 'retirement')]],
    ['one file', [Buffer.concat([copyWith('retired', 'retirement'), copyWith('retired', 'compromise')])]],
  ])('a key with two revocations of which one holds, in %s', async (_, keys) => {
    expect(await verdictOf({ signature: 'retired', keys })).toBe('key-revoked');
  });

  it.each([
    ['that is damaged', [copyWith('retired', damaged('compromise'))]],
    ['that is damaged in one of two copies', [copyWith('retired', damaged('compromise')), signingKey('retired')]],
    ['by another key', [copyWith('retired', 'revocation-certificate')]],
    ['of version 3', [copyWith('retired', ofVersion3('compromise'))]],
  ])('a key with a revocation %s', async (_, keys) => {
    expect(await verdictOf({ signature: 'retired', keys })).toBe('key-unusable');
  });

  it('a key that another key may revoke', async () => {
    expect(await verdictOf({ signature: 'revocable', keys: ['revocable'] })).toBe('key-unusable');
  });

  it('a subkey that the key of its file has not certified, and the key that has counts all the same', async () => {
    const subkey = packetsOf(signingKey('subkey'));
    const from = subkey.findIndex(({ tag }) => tag === TAGS.publicSubkey);
    const claimed = join([...packetsOf(signingKey('ed25519')), ...subkey.slice(from)]);
    expect(await verdictOf({ signature: 'subkey', keys: [claimed] })).toBe('key-unusable');
    for (const keys of [
      [claimed, 'subkey'],
      ['subkey', claimed],
    ]) {
      expect(await verdictOf({ signature: 'subkey', keys })).toBe('accepted');
    }
  });

  it('a revoked signing subkey', async () => {
    expect(await verdictOf({ signature: 'revoked-subkey', keys: ['revoked-subkey'] })).toBe('key-revoked');
  });

  it('each with its time in the text', async () => {
    const verdict = await judgeSignature({
      signature: 'expiring',
      keys: ['expiring'],
      nowMs: CHECKED_AT + 90 * 86_400_000,
    });
    expect(verdict).toMatchObject({
      text: expect.stringMatching(
        /^its key [0-9A-F]{40} expired at 2026-06-01T.*; the clock says 2026-06-30T00:00:00Z$/,
      ),
    });
  });
});
