import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseAgentToken } from '../../../src/keybroker/fetch-token.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const parse = (text: string, limits = DEFAULT_LIMITS) => parseAgentToken(Buffer.from(text), limits);
const pemOf = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const PEM = pemOf('P-256');
const answer = (parts: object) => JSON.stringify({ token: 'a.b.c', tee_keypair: PEM, ...parts });

describe('the answer of the attestation agent', () => {
  it('has a token and a private key', () => {
    const { token, privateKey } = parse(answer({ more: 1 }));
    expect([token, privateKey.type, privateKey.asymmetricKeyDetails?.namedCurve]).toEqual([
      'a.b.c',
      'private',
      'prime256v1',
    ]);
  });

  it('may have a key of the sizes that the agent makes', () => {
    const sec1 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey.export({ format: 'pem', type: 'sec1' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs1' });
    for (const tee_keypair of [sec1, rsa]) expect(parse(answer({ tee_keypair })).token).toBe('a.b.c');
  });

  it.each([
    ['no JSON', 'token'],
    ['no object', '["a"]'],
    ['without a token', answer({ token: undefined })],
    ['with a token of another type', answer({ token: 1 })],
    ['with a token that would be two headers', answer({ token: 'a\r\nhost: b' })],
    ['with an empty token', answer({ token: '' })],
    ['with the token twice', answer({}).replace('{', '{"token":"x.y.z",')],
    ['without a key', answer({ tee_keypair: undefined })],
    ['with an empty key', answer({ tee_keypair: '' })],
    ['with text before the key', answer({ tee_keypair: `x\n${PEM}` })],
    ['with two keys', answer({ tee_keypair: `${PEM}${PEM}` })],
    ['with another curve', answer({ tee_keypair: pemOf('secp256k1') })],
    ['with a key that is none', answer({ tee_keypair: PEM.replace(/M/g, 'A') })],
    ['with a public key', answer({ tee_keypair: PEM.replaceAll('PRIVATE', 'PUBLIC') })],
  ])('is refused: %s', async (_, text) => {
    const { message, cause } = await expectFailure('KEYBROKER_ANSWER_INVALID', () => parse(text));
    expect([message.includes('BEGIN'), message.includes('a.b.c'), cause]).toEqual([false, false, undefined]);
  });

  it('is bounded', async () => {
    await expectFailure('KEYBROKER_ANSWER_INVALID', () => parse(answer({}), { ...DEFAULT_LIMITS, maxTokenBytes: 10 }));
  });
});
