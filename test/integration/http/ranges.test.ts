import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import type { BlobStream, HttpRequest } from '../../../src/http/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { AT_ONCE_MS, until } from '../../support/patience.ts';
import { type FakeRegistry, type FaultAction, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { collecting, get, IMPATIENT, recordingClock, streamBlob } from '../../support/registries/http-fixture.ts';
import {
  askedRanges,
  eagerPace,
  FRONT,
  openRangedTransport,
  RANGE,
  type RangedTransport,
  type RangedTransportOptions,
  slowFront,
} from '../../support/registries/range-fixture.ts';

const MIB = 1024 * 1024;
const BLOB = randomBytes(5 * MIB);
/** Memory for three ranges: all others are requested after the front has ended. */
const NARROW = { maxRangedInFlightBytes: 1.5 * MIB };
const BLOBS = /\/blobs\//;
const REASON = new SealiftError('PULL_CANCELLED', 'enough of it');

let registry: FakeRegistry;
let ranged: RangedTransport;
let url: string;

beforeEach(async () => {
  registry = await startFakeRegistry();
  url = `${registry.origin}/v2/team/app/blobs/${registry.addBlob(BLOB)}`;
});

afterEach(async () => {
  expect(ranged.takenSlices()).toBe(0);
  await ranged[Symbol.asyncDispose]();
  await until(() => registry.openConnections === 0);
  await registry.close();
});

/** Downloads the blob and compares it. `onChunk` gets each chunk before it is kept. */
async function download(
  options: RangedTransportOptions = {},
  { onChunk, ...stream }: Partial<BlobStream> & { readonly onChunk?: (chunk: Uint8Array) => void } = {},
): Promise<void> {
  ranged = openRangedTransport(options);
  const collected = collecting(get(url), BLOB.length);
  const write = (chunk: Uint8Array): void | Promise<void> => {
    onChunk?.(chunk);
    return collected.write(chunk);
  };
  await streamBlob(ranged.transport, { ...collected, write, ...stream });
  expect(collected.received().equals(BLOB)).toBe(true);
}

const fronts = () => registry.requests.filter(({ headers }) => FRONT.test(headers['range'] ?? ''));
const ranges = () => askedRanges(registry.requests);

/** Applies the faults to the ranges in the order in which they are requested. */
function injectIntoRanges(...actions: readonly FaultAction[]): void {
  for (const action of actions) registry.inject({ match: BLOBS, range: RANGE, action });
}

const PASS: FaultAction = { kind: 'headers', headers: {} };

describe('streamBlob in ranges', () => {
  it('asks for what is behind the front on further connections, each byte once', async () => {
    slowFront(registry);
    await download();
    expect(fronts()).toHaveLength(1);
    const asked = ranges().toSorted((a, b) => a.first - b.first);
    expect(asked.length).toBeGreaterThan(6);
    expect(asked[0]?.first).toBeGreaterThan(512 * 1024);
    expect(asked.at(-1)?.last).toBe(BLOB.length - 1);
    for (const [index, { first }] of asked.entries())
      if (index > 0) expect(first).toBe((asked[index - 1]?.last ?? 0) + 1);
    expect(ranged.clock.pauses).toEqual([]);
  });

  it('closes the connection of the front and keeps as many others as it had', async () => {
    slowFront(registry);
    await download({ pace: eagerPace(3) });
    await until(() => registry.openConnections <= 3);
    expect(registry.openConnections).toBeGreaterThan(1);
  });

  it('never has more ranges in memory than the limit has room for', async () => {
    slowFront(registry);
    let most = 0;
    const onChunk = (): void => {
      most = Math.max(most, ranged.takenSlices());
    };
    await download({ limits: { maxRangedInFlightBytes: 2 * MIB }, pace: eagerPace(8) }, { onChunk });
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(8);
  });

  it('asks for none while other threads have all the memory, and comes all the same', async () => {
    slowFront(registry);
    await download({ limits: { maxRangedInFlightBytes: 2 * MIB }, slicesOfOthers: 8 });
    expect(ranges()).toEqual([]);
  });

  it.each([
    ['one connection is allowed', { maxRangeConnections: 1 }, undefined],
    ['the blob is small', { minRangedBytes: BLOB.length + 1 }, eagerPace(4)],
  ])('asks for none when %s', async (_, limits, pace) => {
    slowFront(registry);
    await download({ limits, pace: pace ?? (await import('../../../src/http/pace.ts')).decidePace });
    expect(ranges()).toEqual([]);
  });

  it('asks for none where the server says that it has none', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'headers', headers: { 'accept-ranges': 'none' } } });
    await download();
    expect(registry.requests).toHaveLength(1);
  });

  it('asks for none while the blob waits for its turn', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    slowFront(registry);
    ranged = openRangedTransport({
      pace: (pace, { idleShare }, max) =>
        idleShare > 0.4 ? eagerPace(max)(pace, { idleShare, bytesPerMs: 1 }, max) : pace,
      clock: recordingClock(),
    });
    const stream = collecting(get(url), BLOB.length);
    let isHeld = false;
    const whole = streamBlob(ranged.transport, {
      ...stream,
      write(chunk) {
        if (isHeld) return stream.write(chunk);
        isHeld = true;
        return begun.then(() => stream.write(chunk));
      },
    });
    await until(() => isHeld);
    // Another blob is fetched in the meantime, as in a fetch thread.
    const other = randomBytes(MIB);
    const otherUrl = `${registry.origin}/v2/team/app/blobs/${registry.addBlob(other)}`;
    await streamBlob(ranged.transport, collecting(get(otherUrl), other.length));
    expect(ranges()).toEqual([]);
    begin();
    await whole;
    expect(stream.received().equals(BLOB)).toBe(true);
  });

  it('asks for none before its turn, though bytes may come, and for some afterwards', async () => {
    slowFront(registry);
    let received = 0;
    let early = -1;
    const mayAddConnections = (): boolean => {
      if (received < 2 * MIB) return false;
      if (early === -1) early = ranges().length;
      return true;
    };
    const onChunk = (chunk: Uint8Array): void => {
      received += chunk.length;
    };
    await download({}, { mayAddConnections, onChunk });
    expect(early).toBe(0);
    expect(ranges().length).toBeGreaterThan(2);
  });

  it('holds back what comes after a chunk that the writer has a promise for', async () => {
    slowFront(registry);
    const chunks: Buffer[] = [];
    let busy = false;
    ranged = openRangedTransport();
    await streamBlob(ranged.transport, {
      ...collecting(get(url), BLOB.length),
      async write(chunk) {
        expect(busy).toBe(false);
        busy = true;
        await new Promise(setImmediate);
        chunks.push(Buffer.from(chunk));
        busy = false;
      },
    });
    expect(Buffer.concat(chunks).equals(BLOB)).toBe(true);
    expect(ranges().length).toBeGreaterThan(4);
  });
});

const ENCODED: FaultAction = { kind: 'headers', headers: { 'content-encoding': 'gzip' } };

describe('streamBlob, an answer that is not the range', () => {
  it('is not what a right range with the label of an encoding is', async () => {
    slowFront(registry);
    injectIntoRanges(...Array.from({ length: 3 }, () => ENCODED));
    await download();
    expect(ranges().length).toBeGreaterThan(3);
  });

  it.each<[string, FaultAction]>([
    ['the whole', { kind: 'ignore-range' }],
    ['status 416', { kind: 'answer', status: 416 }],
    ['status 403', { kind: 'answer', status: 403 }],
    ['a redirect to plain ftp', { kind: 'answer', status: 307, headers: { location: 'ftp://a/b' } }],
    ['another range', { kind: 'headers', headers: { 'content-range': `bytes 0-9/${BLOB.length}` } }],
    ['no Content-Range', { kind: 'headers', headers: { 'content-range': '' } }],
    ['another ETag', { kind: 'headers', headers: { etag: '"other"' } }],
    ['another length', { kind: 'headers', headers: { 'content-length': '7' } }],
    ['something else than HTTP', { kind: 'raw', bytes: 'SSH-2.0-OpenSSH_9.2\r\n' }],
  ])('%s: the front goes on alone, and nothing is lost', async (_, action) => {
    slowFront(registry);
    injectIntoRanges(...Array.from({ length: 3 }, () => action));
    await download();
    expect(fronts()).toHaveLength(1);
    expect(ranges().length).toBeLessThanOrEqual(3);
    expect(ranged.clock.pauses).toEqual([]);
  });

  it.each<[string, FaultAction]>([
    ['the whole', { kind: 'ignore-range' }],
    ['of another whole', { kind: 'headers', headers: { 'content-range': `bytes 0-9/${BLOB.length + 1}` } }],
    ['chunked and too short', { kind: 'chunked', bytes: 70_000 }],
  ])('%s, when the front is gone: another front goes on from there', async (_, action) => {
    slowFront(registry);
    injectIntoRanges(PASS, PASS, PASS, PASS, action);
    await download({ limits: NARROW });
    const [first, second, ...others] = fronts();
    expect(first?.headers['range']).toBeUndefined();
    expect(second?.headers['range']).toMatch(/^bytes=\d{7}-$/);
    expect(others).toEqual([]);
  });
});

describe('streamBlob, a range that never ends', () => {
  it('is cut where it should have ended; whether its bytes are right is for the digest to say', async () => {
    slowFront(registry);
    injectIntoRanges(PASS, PASS, PASS, PASS, { kind: 'endless' });
    ranged = openRangedTransport({ limits: NARROW });
    const stream = collecting(get(url), BLOB.length);
    await streamBlob(ranged.transport, stream);
    expect(stream.received()).toHaveLength(BLOB.length);
    expect(fronts()).toHaveLength(2);
    await registry.settled();
  });
});

describe('streamBlob, a range that breaks', () => {
  it.each<[string, FaultAction]>([
    ['reset', { kind: 'reset', afterBytes: 100_000 }],
    ['closed', { kind: 'close', afterBytes: 100_000 }],
  ])('%s: the rest of it is asked for again', async (_, action) => {
    slowFront(registry);
    injectIntoRanges(PASS, PASS, PASS, PASS, action);
    await download();
    expect(fronts()).toHaveLength(1);
    expect(ranged.clock.pauses).toEqual([500]);
    const ends = ranges().map(({ last }) => last);
    expect(new Set(ends).size).toBe(ends.length - 1);
  });

  it('stalled: the rest of it is asked for again', async () => {
    slowFront(registry);
    injectIntoRanges(PASS, PASS, PASS, PASS, { kind: 'stall', afterBytes: 100_000 });
    await download({ clock: recordingClock(), limits: IMPATIENT });
    expect(ranged.clock.pauses).toEqual([500]);
  });

  it('with a whole server: what all connections suffer is one try', async () => {
    slowFront(registry);
    injectIntoRanges(PASS, PASS, PASS, PASS, ...Array.from({ length: 7 }, (): FaultAction => ({ kind: 'hang-up' })));
    await download({ pace: eagerPace(8) });
    expect(ranged.clock.pauses.length).toBeGreaterThan(0);
    expect(ranged.clock.pauses.length).toBeLessThan(5);
  });

  it('status 429: waits as long as it asks, then has fewer connections', async () => {
    slowFront(registry);
    const busy: FaultAction = { kind: 'answer', status: 429, headers: { 'retry-after': '7' } };
    injectIntoRanges(PASS, PASS, PASS, PASS, PASS, PASS, PASS, PASS, busy);
    await download({ pace: eagerPace(8) });
    expect(ranged.clock.pauses).toEqual([7_000]);
    await until(() => registry.openConnections <= 8);
  });

  it('for ever: the front takes over and fails as it does by itself', async () => {
    slowFront(registry);
    registry.inject({ match: BLOBS, range: RANGE, times: 4, action: PASS });
    registry.inject({ match: BLOBS, times: 999, action: { kind: 'answer', status: 503 } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => download({ limits: NARROW }));
    expect(error.message).toContain('gave up after');
  });
});

describe('streamBlob in ranges, unauthorized', () => {
  const challenge: FaultAction = { kind: 'answer', status: 401, headers: { 'www-authenticate': 'Bearer realm="r"' } };

  it('renews a token once for all connections', async () => {
    slowFront(registry);
    injectIntoRanges(challenge, challenge, challenge);
    let asked = 0;
    await download(
      {},
      {
        request: get(url, { authorization: 'Bearer old' }),
        async onUnauthorized({ refusedAuthorization }): Promise<HttpRequest> {
          expect(refusedAuthorization).toBe('Bearer old');
          asked += 1;
          await new Promise(setImmediate);
          return get(url, { authorization: 'Bearer new' });
        },
      },
    );
    expect(asked).toBe(1);
    expect(registry.requests.at(-1)?.headers['authorization']).toBe('Bearer new');
    expect(ranged.clock.pauses).toEqual([]);
  });

  it('leaves it to the front when a fresh token is refused', async () => {
    slowFront(registry);
    registry.inject({ match: BLOBS, range: RANGE, times: 99, action: challenge });
    await download({}, { onUnauthorized: () => Promise.resolve(get(url, { authorization: 'Bearer new' })) });
    expect(fronts()).toHaveLength(1);
  });
});

describe('streamBlob in ranges behind a redirect', () => {
  let storage: FakeRegistry;
  let signedUrl: string;

  beforeEach(async () => {
    storage = await startFakeRegistry();
    signedUrl = `${storage.origin}/v2/x/blobs/${storage.addBlob(BLOB)}?signature=1`;
    registry.inject({
      match: BLOBS,
      times: 999,
      action: { kind: 'answer', status: 307, headers: { location: signedUrl } },
    });
    slowFront(storage);
  });

  afterEach(() => storage.close());

  it('goes to where the first answer came from, without what that may not see', async () => {
    await download({}, { request: get(url, { authorization: 'Bearer secret' }) });
    expect(registry.requests).toHaveLength(1);
    expect(askedRanges(storage.requests).length).toBeGreaterThan(6);
    for (const { headers } of storage.requests) expect(headers['authorization']).toBeUndefined();
    const etag = `"${signedUrl.split(/[/?]/).find((part) => part.startsWith('sha256:'))}"`;
    expect(storage.requests.at(-1)?.headers['if-range']).toBe(etag);
  });

  it.each([401, 403, 404, 410])('asks the registry again when that answers %i', async (status) => {
    storage.inject({ match: BLOBS, range: RANGE, times: 4, action: PASS });
    storage.inject({ match: BLOBS, range: RANGE, action: { kind: 'answer', status } });
    await download({}, { request: get(url, { authorization: 'Bearer secret' }) });
    expect(registry.requests).toHaveLength(2);
    expect(registry.requests[1]?.headers['authorization']).toBe('Bearer secret');
    expect(ranged.clock.pauses).toEqual([]);
  });
});

describe('cancelling a blob in ranges', () => {
  /** Cancels as soon as `reached`, and expects an end at once, with everything closed and given back. */
  async function expectPrompt(reached: () => boolean, stream: Partial<BlobStream> = {}): Promise<void> {
    const controller = new AbortController();
    ranged = openRangedTransport();
    const whole = { ...collecting(get(url), BLOB.length), ...stream, signal: controller.signal };
    const outcome = streamBlob(ranged.transport, whole).catch((error: unknown) => error);
    await until(reached);
    const before = performance.now();
    controller.abort(REASON);
    expect(await outcome).toBe(REASON);
    expect(performance.now() - before).toBeLessThan(AT_ONCE_MS);
    expect(ranged.takenSlices()).toBe(0);
    await registry.settled();
  }

  it('while ranges are asked for', async () => {
    slowFront(registry);
    registry.inject({ match: BLOBS, range: RANGE, times: 9, action: { kind: 'silence' } });
    await expectPrompt(() => ranges().length >= 3);
  });

  it('while ranges come', async () => {
    slowFront(registry);
    registry.inject({ match: BLOBS, range: RANGE, times: 9, action: { kind: 'stall', afterBytes: 300_000 } });
    await expectPrompt(() => ranges().length >= 3 && ranged.takenSlices() > 0);
  });

  it('while the first range is waited for', async () => {
    slowFront(registry);
    registry.inject({ match: BLOBS, range: RANGE, times: 9, action: { kind: 'stall', afterBytes: 1_000 } });
    let delivered = 0;
    const write = (chunk: Uint8Array): void => {
      delivered += chunk.length;
    };
    await expectPrompt(() => delivered > 0 && delivered === ranges()[0]?.first, { write });
  });

  it('while the writer holds a range back', async () => {
    slowFront(registry);
    let delivered = 0;
    let held = false;
    const write = (chunk: Uint8Array): Promise<void> | undefined => {
      delivered += chunk.length;
      held = delivered > (ranges()[0]?.first ?? BLOB.length);
      return held ? new Promise<void>(() => undefined) : undefined;
    };
    await expectPrompt(() => held, { write });
  });

  it('while a range waits to be tried again', async () => {
    slowFront(registry);
    registry.inject({ match: BLOBS, range: RANGE, times: 99, action: { kind: 'answer', status: 503 } });
    const controller = new AbortController();
    let pausing = false;
    const clock = {
      ...recordingClock(),
      sleep: (_ms: number, signal?: AbortSignal) =>
        new Promise<void>((_resolve, reject) => {
          pausing = true;
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
    };
    ranged = openRangedTransport({ clock });
    const stream = { ...collecting(get(url), BLOB.length), signal: controller.signal };
    const outcome = streamBlob(ranged.transport, stream).catch((error: unknown) => error);
    await until(() => pausing);
    controller.abort(REASON);
    expect(await outcome).toBe(REASON);
    await registry.settled();
  });

  it('from within the writer', async () => {
    slowFront(registry);
    const controller = new AbortController();
    ranged = openRangedTransport();
    let delivered = 0;
    let afterwards = 0;
    const stream = {
      ...collecting(get(url), BLOB.length),
      signal: controller.signal,
      write(chunk: Uint8Array) {
        if (controller.signal.aborted) afterwards += 1;
        delivered += chunk.length;
        if (delivered > (ranges()[0]?.first ?? BLOB.length)) controller.abort(REASON);
      },
    };
    await expect(streamBlob(ranged.transport, stream)).rejects.toBe(REASON);
    expect(afterwards).toBe(0);
  });

  it('an error of the writer ends all connections as well', async () => {
    slowFront(registry);
    const refusal = new SealiftError('TAR_INVALID', 'entry 1: bad checksum');
    let delivered = 0;
    ranged = openRangedTransport();
    const stream = {
      ...collecting(get(url), BLOB.length),
      write(chunk: Uint8Array) {
        delivered += chunk.length;
        if (delivered > (ranges()[0]?.first ?? BLOB.length)) throw refusal;
      },
    };
    await expect(streamBlob(ranged.transport, stream)).rejects.toBe(refusal);
    expect(ranged.takenSlices()).toBe(0);
  });
});
