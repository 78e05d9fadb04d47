import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openJwe } from '../../../src/keybroker/open-jwe.ts';
import { flipBit, type Jwe, type SealOptions, sealAnswer } from '../../support/keybroker/seal-answer.ts';
import { expectFailure } from '../../support/matchers.ts';

interface Answer {
  readonly key: string;
  readonly jwe: Jwe;
}

const recorded = JSON.parse(readFileSync(new URL('../../../testdata/keybroker/answers.json', import.meta.url), 'utf8'));
const ANSWERS: Readonly<Record<string, Answer>> = recorded.answers;
const names = Object.keys(ANSWERS);

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PLAINTEXT = Buffer.from('the plaintext of a resource');
const sealed = (options?: SealOptions) => sealAnswer(PLAINTEXT, publicKey, options);
const open = (document: Jwe | string, key = privateKey) =>
  openJwe(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), key, 'answer');
const refused = (document: Jwe | string, key = privateKey) =>
  expectFailure('KEYBROKER_ANSWER_INVALID', () => open(document, key));
const headerOf = ({ protected: encoded }: Jwe): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(encoded), 'base64url').toString());

describe('an answer of a key broker', () => {
  it.each(names)('for a key of %s is opened as pyca/cryptography has sealed it', (name) => {
    const { key = '', jwe = {} } = ANSWERS[name] ?? {};
    expect(open(jwe, createPrivateKey(key)).toString()).toBe(recorded.plaintext);
  });

  it('is opened with and without additional data, and when it is empty', () => {
    expect(open(sealed()).equals(PLAINTEXT)).toBe(true);
    expect(open(sealed({ aad: 'bW9yZQ' })).equals(PLAINTEXT)).toBe(true);
    expect(open(sealAnswer(Buffer.alloc(0), publicKey))).toHaveLength(0);
  });

  it.each(names)('for a key of %s is refused with one bit changed in any part', async (name) => {
    const { key = '', jwe = {} } = ANSWERS[name] ?? {};
    for (const member of ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag']) {
      await refused(flipBit(jwe, member), createPrivateKey(key));
    }
  });

  it('CVE-2026-34986: is refused without a part, with a part twice, of another type, or of another length', async () => {
    const jwe = sealed();
    for (const member of Object.keys(jwe)) {
      const { [member]: value, ...others } = jwe;
      await refused(others);
      for (const other of [null, 1, [value], { value }, `${value}=`, `${value} `, '']) {
        await refused({ ...jwe, [member]: other });
      }
      const twice = JSON.stringify(jwe).replace(/\}$/, `,${JSON.stringify(member)}:${JSON.stringify(value)}}`);
      await refused(twice);
    }
    for (const member of ['iv', 'tag', 'encrypted_key']) {
      await refused({
        ...jwe,
        [member]: Buffer.from(String(jwe[member]), 'base64url').subarray(1).toString('base64url'),
      });
    }
  });

  it.each(['header', 'unprotected', 'recipients', 'zip', 'other'])('is refused with the member %s', async (member) => {
    const { message } = await refused({ ...sealed(), [member]: {} });
    expect(message).toContain('without other members');
  });

  it.each([
    ['zip', 'DEF'],
    ['crit', ['exp']],
    ['apu', 'QQ'],
    ['apv', 'QQ'],
    ['p2c', 1],
    ['p2s', 'QQ'],
    ['b64', false],
  ])('CVE-2024-28176 and CVE-2024-28180: is refused with "%s" in its header', async (name, value) => {
    const { message } = await refused(sealed({ header: { [name]: value } }));
    expect(message).toBe(`answer: expected a JWE without "${name}" in its header`);
  });

  it('takes other parameters of the header as RFC 7516 says', () => {
    expect(open(sealed({ header: { kid: '1', typ: 'JOSE' } })).equals(PLAINTEXT)).toBe(true);
  });

  it.each([
    ['none', 'A256GCM'],
    ['dir', 'A256GCM'],
    ['RSA1_5', 'A256GCM'],
    ['RSA-OAEP', 'A256GCM'],
    ['RSA-OAEP-256', 'A256GCM'],
    ['ECDH-ES', 'A256GCM'],
    ['PBES2-HS256+A128KW', 'A256GCM'],
    ['__proto__', 'A256GCM'],
    ['ECDH-ES+A256KW', 'A128GCM'],
    ['ECDH-ES+A256KW', 'A256CBC-HS512'],
    ['ECDH-ES+A256KW', undefined],
    [undefined, 'A256GCM'],
  ])('is refused with alg %s and enc %s', async (alg, enc) => {
    await refused(sealed({ header: { alg, enc } }));
  });

  it('is refused for another key, of the same kind or another one, with the same words', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { message } = await refused(sealed(), other);
    expect(message).toBe('answer: it cannot be decrypted with the key of the attestation agent');
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    expect((await refused(sealed(), p384.privateKey)).message).toBe(message);
    expect(open(sealAnswer(PLAINTEXT, p384.publicKey), p384.privateKey).equals(PLAINTEXT)).toBe(true);
    const rsa = createPrivateKey(ANSWERS['RSA-OAEP-256']?.key ?? '');
    await refused(sealed(), rsa);
    await refused(sealAnswer(PLAINTEXT, createPublicKey(rsa)));
  });

  it('is refused when the key in it is of another size', async () => {
    await refused(sealed({ contentKey: Buffer.alloc(16) }));
    const rsa = createPrivateKey(ANSWERS['RSA-OAEP-256']?.key ?? '');
    await refused(sealAnswer(PLAINTEXT, createPublicKey(rsa), { contentKey: Buffer.alloc(16) }), rsa);
  });

  it.each([
    ['absent', undefined],
    ['a text', 'x'],
    ['null', null],
    ['of another curve', { crv: 'P-384' }],
    ['of another kind', { kty: 'OKP' }],
    ['with a private part', { d: 'AAAA' }],
    ['with a short coordinate', { x: 'AAAA' }],
    ['with a coordinate of another type', { y: 1 }],
    ['not on the curve', { y: Buffer.alloc(32, 1).toString('base64url') }],
  ])('is refused when its ephemeral key is %s', async (_, change) => {
    const jwe = sealed();
    const header = headerOf(jwe);
    const epk = typeof change === 'object' && change !== null ? { ...(header['epk'] as object), ...change } : change;
    const encoded = Buffer.from(JSON.stringify({ ...header, epk })).toString('base64url');
    const { message } = await refused({ ...jwe, protected: encoded });
    expect(message).toBe('answer: it cannot be decrypted with the key of the attestation agent');
  });

  it.each(['', '[]', '"x"', '{', '{}', 'null', '\u0000', '{"protected":"AA"}'])('is refused as %j', async (text) => {
    await refused(text);
  });
});
