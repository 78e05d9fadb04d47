import { describe, expect, it } from 'vitest';
import { asSealiftError, fromPlainError, prefixError, SealiftError, toPlainError } from '../../../src/errors/index.ts';

const DENIED = new SealiftError('POLICY_DENIED', 'policy: no', { context: { scope: 'a' }, hint: 'ask' });
const STALLED = new SealiftError('STORE_STALLED', 'store: no answer');

async function failTwice(): Promise<never> {
  await using _resource = {
    [Symbol.asyncDispose]: async () => {
      throw STALLED;
    },
  };
  throw DENIED;
}

describe('asSealiftError', () => {
  it('returns an error with a code as it is', () => {
    expect(asSealiftError(DENIED)).toBe(DENIED);
  });

  it('wraps any other value as INTERNAL, with its message', () => {
    expect(asSealiftError(new TypeError('x is not a function'))).toMatchObject({
      code: 'INTERNAL',
      kind: 'internal',
      message: 'x is not a function',
    });
    expect(asSealiftError('text')).toMatchObject({ code: 'INTERNAL', message: 'text' });
  });

  it('takes the first failure when giving back a resource fails as well', async () => {
    const thrown = await failTwice().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(SuppressedError);
    expect(asSealiftError(thrown)).toBe(DENIED);
  });
});

describe('prefixError', () => {
  it('puts the action before the message and keeps code, hint and context', () => {
    expect(prefixError('pull x', DENIED)).toMatchObject({
      code: 'POLICY_DENIED',
      kind: 'denied',
      message: 'pull x: policy: no',
      hint: 'ask',
      context: { scope: 'a' },
    });
  });
});

describe('fromPlainError', () => {
  it('is the inverse of toPlainError, with the messages of the causes', () => {
    const error = new SealiftError('STORE_STALLED', 'store: no answer', {
      cause: new Error('first', { cause: new Error('second') }),
    });
    const plain = toPlainError(error);
    expect(plain).toMatchObject({ code: 'STORE_STALLED', kind: 'unavailable', causes: ['first', 'second'] });
    expect(toPlainError(fromPlainError(plain))).toEqual(plain);
  });
});
