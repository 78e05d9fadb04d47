import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { storeFailed } from '../../../src/store/store-failed.ts';

function ioError(code: string): Error {
  return Object.assign(new Error(`${code}: some text`), { code, errno: -1 });
}

const AT = { fileSystem: 'data', directory: tmpdir() } as const;

describe('storeFailed', () => {
  it.each([
    ['EIO', 'STORE_IO_FAILED'],
    ['EROFS', 'STORE_IO_FAILED'],
    ['ENOSPC', 'STORE_SPACE_EXHAUSTED'],
    ['EDQUOT', 'STORE_SPACE_EXHAUSTED'],
  ])('answers %s with %s, the action and the errno', (errno, code) => {
    const error = storeFailed('make upper', ioError(errno), AT);
    expect(error).toMatchObject({ code, context: { errno, fileSystem: 'data' } });
    expect(error.message.startsWith(`make upper: expected success, got ${errno}`)).toBe(true);
  });

  it('says what the full file system has left, and which resource it lacks', () => {
    const error = storeFailed('make upper', ioError('ENOSPC'), AT);
    expect(error.context).toMatchObject({ resource: 'bytes', availableBytes: expect.any(Number) });
    expect(error.message).toMatch(/: the file system of \S+ has \d+ bytes and (\d+|enough) inodes left$/);
    expect(storeFailed('make upper', ioError('EDQUOT'), AT).context['resource']).toBe('quota');
    expect(storeFailed('make upper', ioError('EIO'), AT).context).not.toHaveProperty('resource');
  });

  it('says where there is room to make when the state directory is full', () => {
    const error = storeFailed('write record', ioError('ENOSPC'), { ...AT, fileSystem: 'state' });
    expect(error.context['fileSystem']).toBe('state');
    expect(error.hint).toContain('state directory');
  });

  it('names failed system calls the same way', () => {
    const cause = new SealiftError('PLATFORM_CALL_FAILED', 'syncfs: expected success, got EIO', {
      context: { call: 'syncfs', errno: 'EIO' },
    });
    expect(storeFailed('publish', cause, AT).code).toBe('STORE_IO_FAILED');
  });

  it('leaves a refusal as it is', () => {
    const refusal = new SealiftError('STORE_INVALID', 'open store: foreign');
    expect(storeFailed('prepare', refusal, AT)).toBe(refusal);
  });

  it('calls anything else a bug', () => {
    expect(storeFailed('prepare', new TypeError('x is not a function'), AT).code).toBe('INTERNAL');
  });
});
