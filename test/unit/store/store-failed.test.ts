import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { storeFailed } from '../../../src/store/store-failed.ts';

function ioError(code: string): Error {
  return Object.assign(new Error(`${code}: some text`), { code, errno: -1 });
}

describe('storeFailed', () => {
  it.each([
    ['EIO', 'STORE_IO_FAILED'],
    ['EROFS', 'STORE_IO_FAILED'],
    ['ENOSPC', 'STORE_SPACE_EXHAUSTED'],
    ['EDQUOT', 'STORE_SPACE_EXHAUSTED'],
  ])('answers %s with %s, the action and the errno', (errno, code) => {
    const error = storeFailed('make upper', ioError(errno));
    expect(error).toMatchObject({ code, context: { errno } });
    expect(error.message).toBe(`make upper: expected success, got ${errno}`);
  });

  it('names failed system calls the same way', () => {
    const cause = new SealiftError('PLATFORM_CALL_FAILED', 'syncfs: expected success, got EIO', {
      context: { call: 'syncfs', errno: 'EIO' },
    });
    expect(storeFailed('publish', cause).code).toBe('STORE_IO_FAILED');
  });

  it('leaves a refusal as it is', () => {
    const refusal = new SealiftError('STORE_INVALID', 'open store: foreign');
    expect(storeFailed('prepare', refusal)).toBe(refusal);
  });

  it('calls anything else a bug', () => {
    expect(storeFailed('prepare', new TypeError('x is not a function')).code).toBe('INTERNAL');
  });
});
