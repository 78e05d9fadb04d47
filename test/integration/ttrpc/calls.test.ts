import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { callOnce, STATUS } from '../../../src/ttrpc/index.ts';
import { openTtrpcClient } from '../../../src/ttrpc/open-client.ts';
import type { TtrpcClient } from '../../../src/ttrpc/types.ts';
import { field, rawFrame } from '../../support/daemons/raw-peer.ts';
import { TtrpcFixture } from '../../support/daemons/ttrpc-fixture.ts';
import { expectFailure } from '../../support/matchers.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';

const SERVICE = 'test.Service';
const NOTHING = new Uint8Array(0);
const HANG = Buffer.concat([field(1, SERVICE), field(2, 'Hang')]);

async function openClient({ path }: TtrpcFixture): Promise<TtrpcClient & Disposable> {
  const client = await openTtrpcClient(path, DEFAULT_LIMITS);
  return {
    call: (options) => client.call(options),
    close: () => client.close(),
    [Symbol.dispose]: () => client.close(),
  };
}

function echo(client: TtrpcClient, text: string) {
  return client.call({ service: SERVICE, method: 'Echo', payload: Buffer.from(text) });
}

describe('calls', () => {
  it('are answered with the payload of the method', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const { status, payload } = await echo(client, 'hello');
    expect(status).toEqual({ code: 0, message: '', details: [] });
    expect(Buffer.from(payload).toString()).toBe('hello');
  });

  it('are answered in any order, hundreds on one connection', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const slow = client.call({ service: SERVICE, method: 'Hang', payload: NOTHING });
    const { finish } = await server.nextHanging();
    const texts = Array.from({ length: 200 }, (_, i) => `call ${i}`);
    const answers = await Promise.all(texts.map((text) => echo(client, text)));
    expect(answers.map(({ payload }) => Buffer.from(payload).toString())).toEqual(texts);
    finish();
    expect(Buffer.from((await slow).payload).toString()).toBe('finished');
  });

  it('carry metadata and timeout to the method', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const metadata = [{ key: 'trace', value: 'a' }];
    const answer = client.call({
      ...{ service: SERVICE, method: 'Hang', payload: NOTHING, metadata },
      timeoutNanos: 60_000_000_000n,
    });
    const { call, finish } = await server.nextHanging();
    expect(call).toMatchObject({ service: SERVICE, method: 'Hang', metadata, timeoutNanos: 60_000_000_000n });
    finish();
    await answer;
  });

  it('of the largest message go through, both ways', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const payload = Buffer.alloc(DEFAULT_LIMITS.maxTtrpcMessageBytes - 64, 'y');
    const answer = await client.call({ service: SERVICE, method: 'Echo', payload });
    expect(payload.equals(answer.payload)).toBe(true);
  });

  it('that are too large are not sent', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const payload = Buffer.alloc(DEFAULT_LIMITS.maxTtrpcMessageBytes);
    await expectFailure('TTRPC_MESSAGE_TOO_LARGE', () => client.call({ service: SERVICE, method: 'Echo', payload }));
    expect((await echo(client, 'after')).status.code).toBe(STATUS.OK);
  });

  it('whose answer is too large are told so', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const payload = Buffer.from(String(DEFAULT_LIMITS.maxTtrpcMessageBytes));
    const { status } = await client.call({ service: SERVICE, method: 'Repeat', payload });
    expect(status.code).toBe(STATUS.RESOURCE_EXHAUSTED);
    expect(status.message).toContain('[TTRPC_MESSAGE_TOO_LARGE]');
  });

  it.each([
    ['an unknown service', 'test.Other', 'Echo', 'service test.Other [TTRPC_METHOD_UNKNOWN]'],
    ['an unknown method', SERVICE, 'Other', 'method Other [TTRPC_METHOD_UNKNOWN]'],
    ['a method of every object', SERVICE, 'constructor', 'method constructor [TTRPC_METHOD_UNKNOWN]'],
  ])('of %s are unimplemented', async (_, service, method, message) => {
    await using server = await TtrpcFixture.open();
    const { status } = await callOnce(server.path, { service, method, payload: NOTHING }, DEFAULT_LIMITS);
    expect(status).toEqual({ code: STATUS.UNIMPLEMENTED, message, details: [] });
    expect(server.faults.map(({ code }) => code)).toEqual(['TTRPC_METHOD_UNKNOWN']);
  });

  it('that a method refuses have the status of the error', async () => {
    await using server = await TtrpcFixture.open();
    const { status } = await callOnce(
      server.path,
      { service: SERVICE, method: 'Refuse', payload: NOTHING },
      DEFAULT_LIMITS,
    );
    expect(status).toMatchObject({ code: STATUS.PERMISSION_DENIED, message: 'refuse: no [POLICY_DENIED]' });
    expect(server.faults).toEqual([]);
  });

  it('that hit a bug are answered, and the server goes on', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const { status } = await client.call({ service: SERVICE, method: 'Break', payload: NOTHING });
    expect(status.code).toBe(STATUS.INTERNAL);
    expect(server.faults.map(({ code }) => code)).toEqual(['INTERNAL']);
    expect((await echo(client, 'after')).status.code).toBe(STATUS.OK);
  });
});

describe('a deadline', () => {
  it('is answered although the method does not end, and aborts its signal', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    // 100 ms in protobuf: field 4, varint 100 000 000.
    const timeout = Buffer.from('2080c2d72f', 'hex');
    const started = performance.now();
    peer.send(rawFrame(1, Buffer.concat([HANG, timeout])));
    const { aborted, call: seen } = await server.nextHanging();
    expect(seen.timeoutNanos).toBe(100_000_000n);
    const { streamId, data } = await peer.nextFrame();
    expect(streamId).toBe(1);
    expect(data.toString('latin1')).toContain('[TTRPC_DEADLINE_EXCEEDED]');
    // Field 1, status; in it field 1, code 4.
    expect(data.includes(Buffer.from('0804', 'hex'))).toBe(true);
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
    expect((await aborted).code).toBe('TTRPC_DEADLINE_EXCEEDED');
  });

  it('comes with the code of its own to our client', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const { status } = await client.call({
      ...{ service: SERVICE, method: 'Hang', payload: NOTHING },
      timeoutNanos: 2_000_000_000n,
    });
    expect(status.code).toBe(STATUS.DEADLINE_EXCEEDED);
    expect(status.message).toContain('2000 ms');
  });

  it.each([
    ['that has passed already', '20ffffffffffffffffff01'],
    ['of a nanosecond', '2001'],
  ])('%s ends the call at once', async (_, timeout) => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(rawFrame(1, Buffer.concat([HANG, Buffer.from(timeout, 'hex')])));
    const { aborted } = await server.nextHanging();
    expect((await aborted).code).toBe('TTRPC_DEADLINE_EXCEEDED');
    expect((await peer.nextFrame()).data.toString('latin1')).toContain('[TTRPC_DEADLINE_EXCEEDED]');
  });

  it('that is longer than any timer does not fire', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const answer = client.call({
      ...{ service: SERVICE, method: 'Hang', payload: NOTHING },
      timeoutNanos: 2n ** 63n - 1n,
    });
    const { finish } = await server.nextHanging();
    await echo(client, 'meanwhile');
    finish();
    expect((await answer).status.code).toBe(STATUS.OK);
  });

  it('does not matter to a call that is answered in time', async () => {
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const answer = client.call({
      ...{ service: SERVICE, method: 'Hang', payload: NOTHING },
      timeoutNanos: 60_000_000_000n,
    });
    const { finish, call } = await server.nextHanging();
    finish();
    expect((await answer).status.code).toBe(STATUS.OK);
    expect(call.signal.aborted).toBe(false);
  });

  it('leaves no timer behind when the answer has come', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await using server = await TtrpcFixture.open();
    using client = await openClient(server);
    const before = timers();
    for (let i = 0; i < 50; i++) {
      const call = { service: SERVICE, method: 'Echo', payload: NOTHING, timeoutNanos: 600_000_000_000n };
      await client.call(call);
    }
    expect(timers() - before).toBeLessThan(10);
  });
});
