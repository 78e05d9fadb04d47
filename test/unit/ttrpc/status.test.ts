import { describe, expect, it } from 'vitest';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import { deadlineMs } from '../../../src/ttrpc/deadline.ts';
import { fail, failWith, payloadOf, STATUS, succeed } from '../../../src/ttrpc/status.ts';
import { expectFailure } from '../../support/matchers.ts';

describe('failWith', () => {
  it.each<[ErrorCode, number]>([
    ['REFERENCE_INVALID', STATUS.INVALID_ARGUMENT],
    ['POLICY_DENIED', STATUS.PERMISSION_DENIED],
    ['REGISTRY_AUTH_REJECTED', STATUS.UNAUTHENTICATED],
    ['BLOB_DIGEST_MISMATCH', STATUS.DATA_LOSS],
    ['TTRPC_METHOD_UNKNOWN', STATUS.UNIMPLEMENTED],
    ['REGISTRY_BLOB_UNKNOWN', STATUS.NOT_FOUND],
    ['TTRPC_CLOSED', STATUS.UNAVAILABLE],
    ['TTRPC_OVERLOADED', STATUS.RESOURCE_EXHAUSTED],
    ['INTERNAL', STATUS.INTERNAL],
    ['TTRPC_DEADLINE_EXCEEDED', STATUS.DEADLINE_EXCEEDED],
  ])('gives %s the status of its kind, and names the code', (code, status) => {
    const reply = failWith(new SealiftError(code, 'what happened'));
    expect(reply.status).toEqual({ code: status, message: `what happened [${code}]`, details: [] });
    expect(reply.payload).toHaveLength(0);
  });
});

describe('payloadOf', () => {
  it('is the payload of a success', () => {
    expect(payloadOf(succeed(Buffer.from('yes')), 'ask')).toEqual(Buffer.from('yes'));
  });

  it('throws the words of a failure, without the secrets in them', async () => {
    const reply = fail(STATUS.NOT_FOUND, 'no https://me:secret@host.test/x');
    const error = await expectFailure('TTRPC_CALL_FAILED', () => payloadOf(reply, 'ask'));
    expect(error.context).toEqual({ status: 5 });
    expect(error.message).toContain('ask: expected status 0, got 5');
    expect(error.message).not.toContain('secret');
  });
});

describe('deadlineMs', () => {
  it.each([
    ['none', undefined, undefined],
    ['zero, which is none', 0n, undefined],
    ['a nanosecond', 1n, 0.000001],
    ['50 s', 50_000_000_000n, 50_000],
    ['one that has passed', -1n, 0],
    ['the longest that a timer waits for', 2_147_483_647_000_000n, 2_147_483_647],
    ['a longer one', 2_147_483_648_000_000n, undefined],
    ['the longest of all', 2n ** 63n - 1n, undefined],
  ])('%s', (_, nanos, ms) => {
    expect(deadlineMs(nanos)).toBe(ms);
  });
});
