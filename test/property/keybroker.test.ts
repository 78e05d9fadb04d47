import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SealiftError, toPlainError } from '../../src/errors/index.ts';
import { parseAgentToken } from '../../src/keybroker/fetch-token.ts';
import { openJwe } from '../../src/keybroker/open-jwe.ts';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import { locateResource } from '../../src/resources/index.ts';
import { sealAnswer } from '../support/keybroker/seal-answer.ts';
import { IS_SOAK } from '../support/soak.ts';

const runs = { numRuns: IS_SOAK ? 20_000 : 300 };
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PEM = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.c2VjcmV0LXRva2Vu.c2lnbmF0dXJl';
const PLAINTEXT = 'correct horse battery staple';
const ANSWER = JSON.stringify(sealAnswer(Buffer.from(PLAINTEXT), publicKey));
const TOKEN_ANSWER = JSON.stringify({ token: TOKEN, tee_keypair: PEM });
/** Parts of secrets that are long enough to be recognised. */
const SECRETS = [PLAINTEXT, 'c2VjcmV0LXRva2Vu', ...PEM.split('\n').slice(1, 3)];

/** A text with one character replaced, removed or doubled. */
function altered(text: string) {
  const change = fc.constantFrom('replace', 'remove', 'double');
  return fc.tuple(fc.nat(text.length - 1), change, fc.integer({ min: 0x20, max: 0x7e })).map(([at, kind, code]) => {
    const [before, character, after] = [text.slice(0, at), text.charAt(at), text.slice(at + 1)];
    if (kind === 'remove') return before + after;
    return before + (kind === 'double' ? character + character : String.fromCharCode(code)) + after;
  });
}

/** Returns the error, in which nothing of a secret may be, or undefined. */
function errorOf(action: () => unknown): SealiftError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    const shown = JSON.stringify([toPlainError(error), String(error), (error as Error).stack, (error as Error).cause]);
    for (const secret of SECRETS) expect(shown).not.toContain(secret);
    return error as SealiftError;
  }
}

describe('the key broker', () => {
  it('an answer with any change is refused, and no message has a part of it', () => {
    const open = (text: string) => openJwe(Buffer.from(text), privateKey, 'answer');
    expect(open(ANSWER).toString()).toBe(PLAINTEXT);
    fc.assert(
      fc.property(altered(ANSWER), (text) => {
        if (text === ANSWER) return;
        expect(errorOf(() => open(text))?.code).toBe('KEYBROKER_ANSWER_INVALID');
      }),
      runs,
    );
  });

  it('a token with any change is refused or a token, and no message has a part of it', () => {
    const parse = (text: string) => parseAgentToken(Buffer.from(text), DEFAULT_LIMITS);
    fc.assert(
      fc.property(altered(TOKEN_ANSWER), (text) => {
        const error = errorOf(() => parse(text));
        if (error !== undefined) expect(error.code).toBe('KEYBROKER_ANSWER_INVALID');
      }),
      { ...runs, examples: [[TOKEN_ANSWER], [TOKEN_ANSWER.slice(1)], [TOKEN_ANSWER.replace('-----', '----')]] },
    );
    expect(errorOf(() => parse(TOKEN_ANSWER))).toBeUndefined();
  });

  it('a URI leads to one path below its plugin, and its canonical form to the same', () => {
    const characters = [...'ab/.%2eEfF5c:@?#&=\\ \n+-_~é'];
    const path = fc.array(fc.constantFrom(...characters), { maxLength: 24 }).map((parts) => parts.join(''));
    const scheme = fc.constantFrom('kbs://', 'kbs+p://', 'KBS+P.1://', 'kbs:///', 'kbs://host:1/', 'kbs:///a/b/');
    fc.assert(
      fc.property(scheme, path, (start, rest) => {
        const location = locateResource(`${start}${rest}`);
        if (location.kind !== 'broker') return;
        const { resource } = location;
        expect(locateResource(resource.uri)).toEqual(location);
        const prefix = `/kbs/v0/${resource.plugin}/`;
        const url = new URL(`https://kbs.example${prefix}${resource.path}`);
        expect(url.pathname).toBe(`${prefix}${resource.path}`);
        const decoded = url.pathname.replace(/%(..)/g, (_, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
        expect(decoded.split('/')).not.toContain('..');
        expect(decoded.split('/')).toHaveLength(url.pathname.split('/').length);
      }),
      {
        ...runs,
        examples: [
          ['kbs:///a/b/', 'c'],
          ['kbs+p://', '/..'],
          ['kbs+p://', '/%2e%2e'],
        ],
      },
    );
  });
});
