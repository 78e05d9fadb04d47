import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { deferFailure } from '../../../src/layer/defer-failure.ts';
import type { FlowSink } from '../../../src/layer/flow-sink.ts';
import { limitBytes } from '../../../src/layer/limit-bytes.ts';
import { RingAborted } from '../../../src/layer/ring.ts';
import { verifyDigest } from '../../../src/layer/verify-digest.ts';
import type { Digest } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

function digestOf(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

function recorder(): FlowSink & { readonly calls: string[] } {
  const calls: string[] = [];
  return { calls, write: (chunk) => void calls.push(`write ${chunk.length}`), end: () => void calls.push('end') };
}

function push(line: FlowSink, bytes: Buffer): void {
  for (let offset = 0; offset < bytes.length; offset += 4096) void line.write(bytes.subarray(offset, offset + 4096));
  void line.end();
}

function verified(bytes: Buffer, size: number, next: FlowSink): FlowSink {
  const digest = digestOf(bytes);
  return limitBytes({ digest, size }, verifyDigest({ digest, what: 'blob', code: 'BLOB_DIGEST_MISMATCH' }, next));
}

describe('limitBytes and verifyDigest', () => {
  const sizes = [1, 2, 511, 512, 513, 4095, 4096, 4097, 8192, 16_384];

  it.each(sizes)('pass %i bytes that match, and end the next stage once', (size) => {
    const bytes = Buffer.alloc(size, 7);
    const next = recorder();
    push(verified(bytes, size, next), bytes);
    expect(next.calls.at(-1)).toBe('end');
    expect(next.calls.filter((call) => call === 'end')).toHaveLength(1);
  });

  it.each(sizes)('refuse %i bytes with one byte more, one byte less or one bit flipped', async (size) => {
    const bytes = Buffer.alloc(size, 7);
    const next = recorder();
    await expectFailure('BLOB_SIZE_MISMATCH', () =>
      push(verified(bytes, size, next), Buffer.concat([bytes, Buffer.from('x')])),
    );
    await expectFailure('BLOB_SIZE_MISMATCH', () => push(verified(bytes, size, next), bytes.subarray(1)));
    const flipped = Buffer.from(bytes);
    flipped[size >> 1] = 6;
    const error = await expectFailure('BLOB_DIGEST_MISMATCH', () => push(verified(bytes, size, next), flipped));
    expect(error.context).toEqual({ expected: digestOf(bytes), actual: digestOf(flipped) });
    expect(next.calls).not.toContain('end');
  });

  it('verify sha512 as well', async () => {
    const bytes = Buffer.from('sealift');
    const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}` as Digest;
    const subject = { digest, what: 'diffID', code: 'DIFFID_MISMATCH' } as const;
    push(verifyDigest(subject, recorder()), bytes);
    await expectFailure('DIFFID_MISMATCH', () => push(verifyDigest(subject, recorder()), Buffer.from('sealifT')));
  });
});

describe('deferFailure', () => {
  const bytes = Buffer.alloc(20_000, 3);
  const failing = (error: Error): FlowSink => ({
    write: () => {
      throw error;
    },
    end: () => {},
  });

  it('reports a failure of the next stages only after the digest held', async () => {
    const broken = new SealiftError('TAR_INVALID', 'tar: broken');
    await expectFailure('TAR_INVALID', () => push(verified(bytes, bytes.length, deferFailure(failing(broken))), bytes));
  });

  it('lets a digest mismatch speak first', async () => {
    const broken = new SealiftError('TAR_INVALID', 'tar: broken');
    const flipped = Buffer.from(bytes);
    flipped[0] = 0;
    await expectFailure('BLOB_DIGEST_MISMATCH', () =>
      push(verified(bytes, bytes.length, deferFailure(failing(broken))), flipped),
    );
  });

  it.each<[string, Error]>([
    ['a cancel', new RingAborted('cancelled')],
    ['the failure of another role that no bytes can cause', new RingAborted('peer-failed')],
    ['a limit', new SealiftError('LAYER_LIMIT_EXCEEDED', 'layer: too large')],
    ['a full disk', new SealiftError('UNPACK_WRITE_FAILED', 'full', { context: { errno: 'ENOSPC' } })],
    ['a file system that lacks a feature', new SealiftError('UNPACK_FILESYSTEM_UNSUPPORTED', 'no xattrs')],
    ['a failed system call', new SealiftError('PLATFORM_CALL_FAILED', 'open: EMFILE')],
    ['a bug', new TypeError('unforeseen')],
  ])('does not hold back %s', (_, failure) => {
    const line = deferFailure(failing(failure));
    expect(() => line.write(bytes)).toThrow(failure);
  });

  it('holds back the failure of a role that refused the bytes', () => {
    const line = deferFailure(failing(new RingAborted('peer-refused')));
    line.write(bytes);
    expect(() => line.end()).toThrow(RingAborted);
  });
});
