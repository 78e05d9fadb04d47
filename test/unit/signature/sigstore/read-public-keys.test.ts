import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import { readPublicKeys } from '../../../../src/signature/sigstore/read-public-keys.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { bits, der, oid, sequence } from '../../../support/signatures/der-builder.ts';
import { makeSigner, signBytes, type TestKeyKind } from '../../../support/signatures/sigstore-builder.ts';
import { publicKey } from '../../../support/signatures/sigstore-signatures.ts';

const PEM = publicKey('p256');
const DER = Buffer.from(PEM.replace(/-----[^-]+-----|\n/g, ''), 'base64');
const MESSAGE = Buffer.from('message');

const read = (...keys: readonly (string | Uint8Array)[]) =>
  readPublicKeys(
    keys.map((key, position) => ({ name: `/keys/${position + 1}`, rawBytes: Buffer.from(key) })),
    DEFAULT_LIMITS,
  );

async function refusalOf(key: string | Uint8Array): Promise<string> {
  const error = await expectFailure('POLICY_INVALID', () => read(key));
  return error.message;
}

/** A key of RSA with so many bytes of ones as its modulus, and as its exponent. */
function rsaKey(modulusBytes: number, exponentBytes: number): Buffer {
  const number = (bytes: number) => der(0x02, Uint8Array.of(0), Buffer.alloc(bytes, 0xff));
  const numbers = sequence(number(modulusBytes), number(exponentBytes));
  return sequence(sequence(oid('1.2.840.113549.1.1.1'), der(0x05)), bits(numbers));
}

/** A key that OpenSSL reads, and cannot write. */
function infinity(): Buffer {
  return sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bits(Uint8Array.of(0)));
}

describe('readPublicKeys', () => {
  it.each<[string, string | Uint8Array]>([
    ['PEM', PEM],
    ['PEM with CRLF', PEM.replaceAll('\n', '\r\n')],
    ['PEM without a line end behind it', PEM.trimEnd()],
    ['PEM with empty lines behind it', `${PEM}\n\n`],
    ['PEM in one line', `-----BEGIN PUBLIC KEY-----\n${DER.toString('base64')}\n-----END PUBLIC KEY-----\n`],
    ['DER', DER],
  ])('reads a key in %s', (_, key) => {
    expect(read(key).map(({ name, kind, rawSpki }) => [name, kind, Buffer.from(rawSpki)])).toEqual([
      ['/keys/1', 'P-256', DER],
    ]);
  });

  it('refuses a point that is compressed, since a log has the key in its usual encoding', async () => {
    const point = DER.subarray(-65);
    const head = '3039301306072a8648ce3d020106082a8648ce3d030107032200';
    const parity = Buffer.from([2 + (point.readUInt8(64) & 1)]);
    const compressed = Buffer.concat([Buffer.from(head, 'hex'), parity, point.subarray(1, 33)]);
    expect(await refusalOf(compressed)).toContain('a point that is not compressed');
  });

  it('refuses an RSA key with an even exponent', async () => {
    const { publicKey: key } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = key.export({ format: 'der', type: 'spki' });
    expect(read(der)).toHaveLength(1);
    der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
    expect(await refusalOf(der)).toContain('RSA with the exponent 65536');
  });

  it.each<[string, Uint8Array, string]>([
    // Would take minutes, since Node's time grows with the square of the length.
    ['a very long exponent', rsaKey(256, 1_000_000), 'expected a public key of at most 4096 bytes'],
    ['an exponent that Go refuses', rsaKey(256, 4), 'is RSA with an exponent above 2147483647'],
    ['a very long modulus', rsaKey(4096, 3), 'expected a public key of at most 4096 bytes'],
    ['the point at infinity', infinity(), 'expected a public key'],
  ])('refuses a key with %s', async (_, der, expected) => {
    expect(await refusalOf(der)).toContain(expected);
  });

  it.each<[TestKeyKind, string | null, string]>([
    ['P-256', 'sha256', 'verified'],
    ['P-256', 'sha384', 'refused'],
    ['P-256', 'sha512', 'refused'],
    ['P-384', 'sha256', 'verified'],
    ['P-384', 'sha384', 'verified'],
    ['P-384', 'sha512', 'refused'],
    ['P-521', 'sha256', 'verified'],
    ['P-521', 'sha512', 'verified'],
    ['P-521', 'sha384', 'refused'],
    ['RSA', 'sha256', 'verified'],
    ['RSA', 'sha1', 'refused'],
    ['RSA', 'sha512', 'refused'],
    ['Ed25519', null, 'verified'],
  ])('%s with %s is %s', (kind, hash, expected) => {
    const signer = makeSigner(kind, hash);
    const [key] = read(signer.publicKey);
    const signature = signBytes(signer, MESSAGE);
    expect(key?.kind).toBe(kind);
    expect(key?.verifies(MESSAGE, signature)).toBe(expected === 'verified');
    expect(key?.verifies(Buffer.from('another'), signature)).toBe(false);
    expect(key?.verifies(MESSAGE, signature.subarray(1))).toBe(false);
    expect(key?.verifies(MESSAGE, Buffer.concat([signature, Buffer.from([0])]))).toBe(false);
    expect(key?.verifies(MESSAGE, new Uint8Array())).toBe(false);
  });

  it.each<[TestKeyKind, RegExp]>([
    ['secp256k1', /is on the curve secp256k1; expected P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits$/],
    ['RSA-1024', /is RSA of 1024 bits/],
    ['RSA-PSS', /is of the kind rsa-pss/],
    ['Ed448', /is of the kind ed448/],
  ])('refuses %s by its name', async (kind, expected) => {
    expect(await refusalOf(makeSigner(kind).publicKey)).toMatch(expected);
  });

  const { privateKey, publicKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const body = PEM.split('\n').slice(1, -2).join('\n');
  it.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'expected a public key in PEM, or in DER'],
    ['a text', 'no key', 'expected a public key in PEM, or in DER'],
    ['text before the block', `x\n${PEM}`, 'expected a public key in PEM, or in DER'],
    ['text behind the block', `${PEM}x`, 'expected one PEM block "PUBLIC KEY" alone'],
    ['two blocks', `${PEM}${PEM}`, 'expected one PEM block, got several'],
    ['another label at the end', PEM.replace('END PUBLIC', 'END PRIVATE'), 'expected one PEM block'],
    ['no end', PEM.split('\n').slice(0, -2).join('\n'), 'expected one PEM block'],
    ['a header in the block', `-----BEGIN PUBLIC KEY-----\nName: x\n\n${body}\n-----END PUBLIC KEY-----\n`, 'alone'],
    ['a space in the base64', PEM.replace(body, body.replace('\n', ' \n')), 'alone'],
    ['base64 without its padding', PEM.replace('==\n', '\n'), 'the PEM block is no base64'],
    ['a private key', privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), 'got "PRIVATE KEY"'],
    ['a key of PKCS#1', rsa.export({ format: 'pem', type: 'pkcs1' }).toString(), 'got "RSA PUBLIC KEY"'],
    ['a certificate', `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`, 'got "CERTIFICATE"'],
    ['a private key in DER', privateKey.export({ format: 'der', type: 'pkcs8' }), 'expected a public key'],
    ['bytes behind the DER', Buffer.concat([DER, Buffer.from([0])]), 'its DER is not the usual encoding of the key'],
    ['DER that is cut off', DER.subarray(0, -1), 'expected a public key'],
    [
      'a point that is not on the curve',
      Buffer.concat([DER.subarray(0, -1), Buffer.from([1])]),
      'expected a public key',
    ],
  ])('refuses %s', async (_, key, expected) => {
    const message = await refusalOf(key);
    expect(message).toContain('policy: public key /keys/1: ');
    expect(message).toContain(expected);
  });

  it('reads no more than the limits of key rings allow', async () => {
    const keys = [PEM, DER].map((key, position) => ({ name: `/${position}`, rawBytes: Buffer.from(key) }));
    const maxKeyRingBytes = PEM.length + DER.length;
    const limits = { ...DEFAULT_LIMITS, maxKeyRingBytes, maxKeyRingKeys: 2 };
    expect(readPublicKeys(keys, limits)).toHaveLength(2);
    for (const [limit, value] of [
      ['maxKeyRingBytes', maxKeyRingBytes - 1],
      ['maxKeyRingKeys', 1],
    ] as const) {
      const error = await expectFailure('POLICY_INVALID', () => readPublicKeys(keys, { ...limits, [limit]: value }));
      expect(error.context).toMatchObject({ limit });
    }
  });
});
