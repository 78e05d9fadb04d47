import { describe, expect, it } from 'vitest';
import { judgeFrame } from '../../../src/ttrpc/judge-frame.ts';

const STATE = { lastStreamId: 7, isOpen: (id: number) => id === 5 };

describe('judgeFrame', () => {
  it.each([
    ['a unary request on the next stream', 9, 1, 0, 'call'],
    ['one that leaves ids out', 0xffff_ffff, 1, 0, 'call'],
    ['a request on an even id', 10, 1, 0, 'TTRPC_FRAME_INVALID'],
    ['a request on id 0', 0, 1, 0, 'TTRPC_FRAME_INVALID'],
    ['a request on the last id again', 7, 1, 0, 'TTRPC_FRAME_INVALID'],
    ['a request on an earlier id', 3, 1, 0, 'TTRPC_FRAME_INVALID'],
    ['a stream whose client sends no more', 9, 1, 1, 'TTRPC_STREAM_REFUSED'],
    ['a stream whose client sends more', 9, 1, 2, 'TTRPC_STREAM_REFUSED'],
    ['a stream without data, as the Rust client opens one', 9, 1, 6, 'TTRPC_STREAM_REFUSED'],
    ['a request with unknown flags', 9, 1, 0x80, 'TTRPC_STREAM_REFUSED'],
    ['data for a call at work', 5, 3, 0, 'TTRPC_FRAME_INVALID'],
    ['data for a stream that has ended', 3, 3, 0, 'ignore'],
    ['data for a stream that never began', 9, 3, 1, 'TTRPC_FRAME_INVALID'],
    ['data on an even id', 4, 3, 0, 'TTRPC_FRAME_INVALID'],
    ['a response', 9, 2, 0, 'ignore'],
    ['type 0', 9, 0, 0, 'ignore'],
    ['a type of a later version', 9, 4, 0, 'ignore'],
    ['type 255', 9, 255, 255, 'ignore'],
  ])('%s', (_, streamId, type, flags, expected) => {
    const verdict = judgeFrame({ length: 0, streamId, type, flags }, STATE);
    expect(verdict.kind === 'refuse' ? verdict.error.code : verdict.kind).toBe(expected);
  });
});
