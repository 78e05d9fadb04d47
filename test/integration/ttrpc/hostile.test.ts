import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { ResponseEnvelope } from '../../../src/ttrpc/envelope.ts';
import { callOnce, STATUS } from '../../../src/ttrpc/index.ts';
import { field, type RawFrame, type RawPeer, rawCall, rawFrame } from '../../support/daemons/raw-peer.ts';
import { TtrpcFixture } from '../../support/daemons/ttrpc-fixture.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';

const MIB = 1_024 * 1_024;
const MAX = DEFAULT_LIMITS.maxTtrpcMessageBytes;

function statusOf({ data }: RawFrame) {
  const { status } = ResponseEnvelope.decode(data);
  return { code: status?.code, error: /\[([A-Z_]+)\]/.exec(status?.message ?? '')?.[1] };
}

/** Checks that another client is served. */
async function expectServed({ path }: TtrpcFixture): Promise<void> {
  const call = { service: 'test.Service', method: 'Echo', payload: Buffer.from('other') };
  const { payload } = await callOnce(path, call, DEFAULT_LIMITS);
  expect(Buffer.from(payload).toString()).toBe('other');
}

async function expectAnswered(peer: RawPeer, streamId: number): Promise<void> {
  peer.send(rawCall(streamId, 'Echo', 'mine'));
  const frame = await peer.nextFrame();
  expect(frame.streamId).toBe(streamId);
  expect(frame.data.toString('latin1')).toContain('mine');
}

/** Waits for as long as the server waits for the rest of a message, by the server's own clock. */
async function untilOneIsClosed(server: TtrpcFixture): Promise<void> {
  const other = await server.connect();
  other.send(Buffer.alloc(3));
  await other.closed;
}

describe('a client that breaks the protocol', () => {
  it.each([
    ['an even stream id', rawFrame(2, field(1, 'test.Service')), 2, STATUS.INVALID_ARGUMENT, 'TTRPC_FRAME_INVALID'],
    ['stream id 0', rawFrame(0, field(1, 'test.Service')), 0, STATUS.INVALID_ARGUMENT, 'TTRPC_FRAME_INVALID'],
    [
      'data without a stream',
      rawFrame(7, Buffer.from('x'), { type: 3 }),
      7,
      STATUS.INVALID_ARGUMENT,
      'TTRPC_FRAME_INVALID',
    ],
    [
      'a request that is no protobuf',
      rawFrame(1, Buffer.from('ffff', 'hex')),
      1,
      STATUS.INVALID_ARGUMENT,
      'TTRPC_MESSAGE_INVALID',
    ],
    [
      'a service that is no text',
      rawFrame(1, field(1, Buffer.from('ff', 'hex'))),
      1,
      STATUS.INVALID_ARGUMENT,
      'TTRPC_MESSAGE_INVALID',
    ],
    ['an empty request', rawFrame(1, Buffer.alloc(0)), 1, STATUS.UNIMPLEMENTED, 'TTRPC_METHOD_UNKNOWN'],
    [
      'a stream that it keeps open',
      rawFrame(1, Buffer.alloc(0), { flags: 2 }),
      1,
      STATUS.UNIMPLEMENTED,
      'TTRPC_STREAM_REFUSED',
    ],
    [
      'a stream as the Rust client opens it',
      rawFrame(1, Buffer.alloc(0), { flags: 6 }),
      1,
      STATUS.UNIMPLEMENTED,
      'TTRPC_STREAM_REFUSED',
    ],
    [
      'a message over 4 MiB',
      rawFrame(1, Buffer.alloc(MAX + 1)),
      1,
      STATUS.RESOURCE_EXHAUSTED,
      'TTRPC_MESSAGE_TOO_LARGE',
    ],
  ])('by %s is told, once, and served further', async (_, bytes, streamId, code, error) => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(bytes);
    const frame = await peer.nextFrame();
    expect(frame).toMatchObject({ streamId, type: 2, flags: 0 });
    expect(statusOf(frame)).toEqual({ code, error });
    expect(server.faults.map((fault) => fault.code)).toEqual([error]);
    await expectAnswered(peer, 9);
    await expectServed(server);
  });

  it.each([
    ['a response', rawFrame(1, Buffer.from('x'), { type: 2 })],
    ['a type of a later version', rawFrame(1, Buffer.from('x'), { type: 77, flags: 255 })],
  ])('by %s is not answered, and served further', async (_, bytes) => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(bytes);
    await expectAnswered(peer, 1);
    expect(server.faults).toEqual([]);
  });

  it('by using a stream id again is told', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    await expectAnswered(peer, 5);
    for (const streamId of [5, 3]) {
      peer.send(rawCall(streamId, 'Echo'));
      const frame = await peer.nextFrame();
      expect(frame.streamId).toBe(streamId);
      expect(statusOf(frame).error).toBe('TTRPC_FRAME_INVALID');
    }
    await expectAnswered(peer, 7);
  });

  it.each([
    ['data', rawFrame(1, Buffer.from('x'), { type: 3 })],
    ['another call', rawCall(1, 'Echo')],
  ])('by sending %s on the stream of a call at work ends that call with one answer', async (_, bytes) => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(rawCall(1, 'Hang'));
    const { aborted, finish } = await server.nextHanging();
    peer.send(bytes);
    expect(statusOf(await peer.nextFrame()).error).toBe('TTRPC_FRAME_INVALID');
    expect((await aborted).code).toBe('TTRPC_FRAME_INVALID');
    finish();
    await expectAnswered(peer, 3);
  });

  it('by data for a stream that was refused gets no second answer', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    const open = rawFrame(1, Buffer.alloc(0), { flags: 2 });
    const more = rawFrame(1, Buffer.from('x'), { type: 3 });
    peer.send(Buffer.concat([open, more, more, rawFrame(1, Buffer.alloc(0), { type: 3, flags: 1 })]));
    expect(statusOf(await peer.nextFrame()).error).toBe('TTRPC_STREAM_REFUSED');
    await expectAnswered(peer, 3);
  });

  it('by claiming 4 GiB is answered when the claim has come, and others are served', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(rawFrame(1, Buffer.alloc(100), { length: 0xffff_ffff }));
    expect(statusOf(await peer.nextFrame()).error).toBe('TTRPC_MESSAGE_TOO_LARGE');
    await expectServed(server);
  });
});

describe('a client that is slow', () => {
  it('and stops in the middle of a message is closed after its time', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 100 });
    const peer = await server.connect();
    await expectAnswered(peer, 1);
    peer.send(rawCall(3, 'Echo').subarray(0, 20));
    await peer.closed;
    expect(server.faults.map(({ code }) => code)).toEqual(['TTRPC_CLOSED']);
    await expectServed(server);
  });

  it('and sends a byte now and then is closed all the same', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 200 });
    const peer = await server.connect();
    peer.send(rawFrame(1, Buffer.alloc(0), { length: 100_000 }));
    const drip = setInterval(() => peer.send(Buffer.alloc(1)), 10);
    await peer.closed;
    clearInterval(drip);
    expect(server.faults.map(({ code }) => code)).toEqual(['TTRPC_CLOSED']);
  });

  it('between two messages is left alone', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 50 });
    const idle = await server.connect();
    await expectAnswered(idle, 1);
    await untilOneIsClosed(server);
    await expectAnswered(idle, 3);
  });

  it('and does not take its answers is not read until it does; others are served', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.socket.pause();
    peer.send(rawCall(1, 'Repeat', String(2 * MIB)));
    await expectServed(server);
    peer.send(rawCall(3, 'Hang'));
    let isRead = false;
    const hanging = server.nextHanging().then((call) => {
      isRead = true;
      return call;
    });
    for (let i = 0; i < 20; i++) await expectServed(server);
    expect(isRead).toBe(false);
    peer.socket.resume();
    expect((await peer.nextFrame()).streamId).toBe(1);
    (await hanging).finish();
    expect((await peer.nextFrame()).streamId).toBe(3);
  });

  it('and takes no answer at all is closed after its time', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 100 });
    const peer = await server.connect();
    peer.socket.pause();
    peer.send(rawCall(1, 'Repeat', String(2 * MIB)));
    // A client that does not read learns from its next write that the connection is closed.
    const drip = setInterval(() => peer.send(Buffer.alloc(1)), 10);
    await peer.closed;
    clearInterval(drip);
    expect(server.faults.map(({ code }) => code)).toContain('TTRPC_CLOSED');
    await expectServed(server);
  });

  it('and has too many answers waiting for it is closed at once', async () => {
    await using server = await TtrpcFixture.open({ maxTtrpcBufferedBytes: MIB });
    const peer = await server.connect();
    peer.socket.pause();
    peer.send(rawCall(1, 'Repeat', String(3 * MIB)));
    const drip = setInterval(() => peer.send(Buffer.alloc(1)), 10);
    await peer.closed;
    clearInterval(drip);
    await expectServed(server);
  });

  it('but takes its answers in time gets them all, and stays', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 3_000 });
    const peer = await server.connect();
    peer.socket.pause();
    const streams = [1, 3, 5, 7];
    for (const streamId of streams) peer.send(rawCall(streamId, 'Repeat', String(MIB)));
    await expectServed(server);
    peer.socket.resume();
    for (const streamId of streams) {
      const frame = await peer.nextFrame();
      expect([frame.streamId, frame.data.byteLength > MIB]).toEqual([streamId, true]);
    }
    await untilOneIsClosed(server);
    await expectAnswered(peer, 9);
  });

  it('is not one that always has begun its next call', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 1_000 });
    const peer = await server.connect();
    const started = performance.now();
    let streamId = 1;
    peer.send(rawCall(streamId, 'Echo').subarray(0, 15));
    while (performance.now() - started < 3_000) {
      const rest = rawCall(streamId, 'Echo').subarray(15);
      peer.send(Buffer.concat([rest, rawCall(streamId + 2, 'Echo').subarray(0, 15)]));
      expect((await peer.nextFrame()).streamId).toBe(streamId);
      streamId += 2;
    }
    expect(server.faults).toEqual([]);
  });
});

describe('many', () => {
  it('idle connections, and half-open ones, keep nobody from being served', async () => {
    await using server = await TtrpcFixture.open();
    const idle = await Promise.all(Array.from({ length: 1_000 }, () => server.connect()));
    for (const [i, peer] of idle.entries()) if (i % 2 === 0) peer.send(Buffer.alloc(5));
    const started = performance.now();
    for (let i = 0; i < 20; i++) await expectServed(server);
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
    await expectAnswered(idle[999] as RawPeer, 1);
  });

  it('connections make room of those that never called, and never of those that have', async () => {
    await using server = await TtrpcFixture.open({ maxTtrpcConnections: 3 });
    const agent = await server.connect();
    await expectAnswered(agent, 1);
    const silent = await server.connect();
    const another = await server.connect();
    await expectAnswered(another, 1);
    const newcomer = await server.connect();
    await silent.closed;
    await expectAnswered(newcomer, 1);
    const tooMany = await server.connect();
    await tooMany.closed;
    for (const peer of [agent, another, newcomer]) await expectAnswered(peer, 3);
    expect(server.faults.map(({ code }) => code)).toEqual(['TTRPC_CLOSED', 'TTRPC_CLOSED']);
  });

  it('calls on one connection are refused beyond the limit, and others are served', async () => {
    await using server = await TtrpcFixture.open({ maxTtrpcConnectionRequests: 2 });
    const peer = await server.connect();
    for (const streamId of [1, 3, 5]) peer.send(rawCall(streamId, 'Hang'));
    const refused = await peer.nextFrame();
    expect([refused.streamId, statusOf(refused)]).toEqual([
      5,
      { code: STATUS.RESOURCE_EXHAUSTED, error: 'TTRPC_OVERLOADED' },
    ]);
    await expectServed(server);
    (await server.nextHanging()).finish();
    expect((await peer.nextFrame()).streamId).toBe(1);
    await expectAnswered(peer, 7);
  });

  it('methods that never end count for the server, whether or not somebody waits', async () => {
    await using server = await TtrpcFixture.open({ maxTtrpcRequests: 1 });
    const peer = await server.connect();
    peer.send(rawCall(1, 'Hang'));
    const { aborted, finish } = await server.nextHanging();
    peer.destroy();
    await aborted;
    const other = await server.connect();
    other.send(rawCall(1, 'Echo'));
    expect(statusOf(await other.nextFrame()).error).toBe('TTRPC_OVERLOADED');
    finish();
    await expectServed(server);
  });

  it('large messages in the making share a budget, which small ones do not need', async () => {
    await using server = await TtrpcFixture.open({ maxTtrpcBufferedBytes: 6 * MIB });
    const large = rawCallOf(MAX - 100);
    const first = await server.connect();
    await first.flush(large.subarray(0, large.byteLength - 1));
    await expectServed(server);
    const second = await server.connect();
    second.send(large);
    expect(statusOf(await second.nextFrame())).toEqual({ code: STATUS.RESOURCE_EXHAUSTED, error: 'TTRPC_OVERLOADED' });
    await expectAnswered(second, 3);
    first.send(large.subarray(large.byteLength - 1));
    expect((await first.nextFrame()).data.byteLength).toBeGreaterThan(MAX - 200);
    second.send(rawCallOf(MAX - 100, 5));
    expect((await second.nextFrame()).data.byteLength).toBeGreaterThan(MAX - 200);
  });

  it('frames of garbage end no connection but their own', async () => {
    await using server = await TtrpcFixture.open({ ttrpcFrameTimeoutMs: 100 });
    let seed = 1;
    const next = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed >> 16;
    };
    const peers = await Promise.all(Array.from({ length: 50 }, () => server.connect()));
    for (const peer of peers) {
      peer.socket.resume();
      peer.send(Buffer.from(Array.from({ length: 2_000 }, next)));
    }
    await expectServed(server);
  });
});

/** A call of `Echo` whose payload is `size` bytes. */
function rawCallOf(size: number, streamId = 1): Buffer {
  const length = [0, 7, 14, 21].map((shift) => ((size >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0));
  const payload = Buffer.concat([Buffer.from([(3 << 3) | 2, ...length]), Buffer.alloc(size, 'z')]);
  return rawFrame(streamId, Buffer.concat([field(1, 'test.Service'), field(2, 'Echo'), payload]));
}
