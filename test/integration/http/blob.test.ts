import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import type { HttpRequest, Transport } from '../../../src/http/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, type FaultAction, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import {
  collecting,
  get,
  IMPATIENT,
  quickTransport,
  type RecordingClock,
  recordingClock,
  streamBlob,
} from '../../support/registries/http-fixture.ts';

const BLOB = randomBytes(300_000);
const MIB = 1024 * 1024;

let registry: FakeRegistry;
let transport: Transport;
let clock: RecordingClock;
let url: string;

beforeEach(async () => {
  registry = await startFakeRegistry();
  clock = recordingClock();
  transport = quickTransport({ clock });
  url = `${registry.origin}/v2/team/app/blobs/${registry.addBlob(BLOB)}`;
});

afterEach(async () => {
  await transport.close();
  await registry.close();
});

const BLOBS = /\/blobs\//;

/** Limits for tests that end with a timeout. They are too short for all other tests. */
async function beImpatient(): Promise<void> {
  await transport.close();
  transport = quickTransport({ clock, limits: IMPATIENT });
}

async function download(): Promise<Buffer> {
  const stream = collecting(get(url), BLOB.length);
  await streamBlob(transport, stream);
  return stream.received();
}

function failDownload(action: FaultAction, times = 1) {
  registry.inject({ match: BLOBS, times, action });
  return download();
}

describe('streamBlob', () => {
  it('delivers the blob and asks for no encoding', async () => {
    expect(await download()).toEqual(BLOB);
    expect(registry.requests).toHaveLength(1);
    expect(registry.requests[0]?.headers).toMatchObject({
      'accept-encoding': 'identity',
      'user-agent': 'sealift-test',
    });
    expect(clock.pauses).toEqual([]);
  });

  it('delivers an empty blob', async () => {
    const empty = registry.addBlob(Buffer.alloc(0));
    const stream = collecting(get(`${registry.origin}/v2/team/app/blobs/${empty}`), 0);
    await streamBlob(transport, stream);
    expect(stream.received()).toHaveLength(0);
  });

  it.each([
    ['gzip', { 'content-encoding': 'gzip' }],
    ['a thousand encodings', { 'content-encoding': Array(1000).fill('gzip').join(',') }],
    ['a web page', { 'content-type': 'text/html' }],
  ])('delivers the right bytes although they are labelled as %s', async (_, headers) => {
    expect(await failDownload({ kind: 'headers', headers })).toEqual(BLOB);
    expect(registry.requests).toHaveLength(1);
  });

  it('uses one connection for blobs one after the other', async () => {
    await download();
    await download();
    expect(registry.openConnections).toBe(1);
  });

  it('takes a slow trickle as long as something comes', async () => {
    const action = { kind: 'trickle', chunkBytes: 60_000, everyMs: 100 } as const;
    expect(await failDownload(action)).toEqual(BLOB);
    expect(clock.pauses).toEqual([]);
  });
});

describe('streamBlob from a server that sends a byte now and then', () => {
  const DRIP = { kind: 'trickle', chunkBytes: 1, everyMs: 1 } as const;

  async function measureOften(): Promise<void> {
    await transport.close();
    transport = quickTransport({ clock, limits: { throughputWindowMs: 50, minThroughputBytes: 1_000 } });
  }

  it('tries again, and resumes', async () => {
    await measureOften();
    registry.inject({ match: BLOBS, action: DRIP });
    expect(await download()).toEqual(BLOB);
    expect(registry.requests).toHaveLength(2);
    expect(registry.requests[1]?.headers['range']).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('gives up after the usual number of tries, and names the limit', async () => {
    await measureOften();
    const error = await expectFailure('HTTP_UNAVAILABLE', () => failDownload(DRIP, 99));
    expect(error.message).toMatch(
      /connection brought \d+ bytes in 50 ms, expected at least 1000, gave up after 5 tries/,
    );
    expect(error.context).toMatchObject({ limit: 'minThroughputBytes', expected: 1_000 });
  });
});

describe('streamBlob, a fault that another try cures', () => {
  it.each([1, 65_535, 65_536, 150_000, 299_999])('resumes by range after a reset at byte %i', async (afterBytes) => {
    expect(await failDownload({ kind: 'reset', afterBytes })).toEqual(BLOB);
    const ranges = registry.requests.map(({ headers }) => headers['range']);
    expect(ranges[0]).toBeUndefined();
    expect(registry.requests).toHaveLength(2);
    expect(clock.pauses).toEqual([500]);
  });

  it.each(['close', 'stall'] as const)('resumes at the very byte after a %s', async (kind) => {
    await beImpatient();
    expect(await failDownload({ kind, afterBytes: 100_000 })).toEqual(BLOB);
    expect(registry.requests.map(({ headers }) => headers['range'])).toEqual([undefined, 'bytes=100000-']);
  });

  it('resumes a body without length and chunks that ended early', async () => {
    expect(await failDownload({ kind: 'unframed', bytes: 100_000 })).toEqual(BLOB);
    expect(registry.requests).toHaveLength(2);
  });

  it('resumes a chunked body that ended early, also on a connection that was to be closed', async () => {
    const bytes = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n';
    const start = BLOB.subarray(0, 3).toString('latin1');
    expect(await failDownload({ kind: 'raw', bytes: `${bytes}${start}` })).toEqual(BLOB);
    expect(registry.requests[1]?.headers['range']).toBe('bytes=3-');
  });

  it('needs no more once it has the last byte, although the end of the chunks never comes', async () => {
    const small = Buffer.from('whole');
    const smallUrl = `${registry.origin}/v2/team/app/blobs/${registry.addBlob(small)}`;
    const bytes = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n';
    registry.inject({ match: BLOBS, action: { kind: 'raw', bytes } });
    const stream = collecting(get(smallUrl), small.length);
    await streamBlob(transport, stream);
    expect(stream.received()).toEqual(small);
    expect(registry.requests).toHaveLength(1);
  });

  it('delivers nothing of an answer with two lengths', async () => {
    const bytes = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 300000\r\n\r\nxxxx';
    expect(await failDownload({ kind: 'raw', bytes })).toEqual(BLOB);
    expect(registry.requests[1]?.headers['range']).toBeUndefined();
  });

  it('asks again when the head does not come in time', async () => {
    await beImpatient();
    expect(await failDownload({ kind: 'silence' })).toEqual(BLOB);
  });

  it.each([408, 429, 500, 502, 503, 504])('asks again after status %i', async (status) => {
    expect(await failDownload({ kind: 'answer', status, body: 'later' })).toEqual(BLOB);
    expect(clock.pauses).toEqual([500]);
  });

  it('passes over what it has when the server answers a range with the whole', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'reset', afterBytes: 100_000 } });
    registry.inject({ match: BLOBS, action: { kind: 'ignore-range' } });
    expect(await download()).toEqual(BLOB);
  });

  it('doubles the pauses and gives up after five tries', async () => {
    const error = await expectFailure('HTTP_UNAVAILABLE', () => failDownload({ kind: 'answer', status: 503 }, 99));
    expect(clock.pauses).toEqual([500, 1000, 2000, 4000]);
    expect(error.message).toContain('gave up after 5 tries');
    expect(registry.requests).toHaveLength(5);
  });

  it('waits as long as Retry-After asks, within bounds', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'answer', status: 429, headers: { 'retry-after': '7' } } });
    registry.inject({ match: BLOBS, action: { kind: 'answer', status: 503, headers: { 'retry-after': '240' } } });
    const date = 'Thu, 01 Jan 2026 00:00:20 GMT';
    registry.inject({ match: BLOBS, action: { kind: 'answer', status: 503, headers: { 'retry-after': date } } });
    expect(await download()).toEqual(BLOB);
    expect(clock.pauses).toEqual([7_000, 60_000, 20_000]);
  });

  it.each([
    ['86400', '24 h'],
    ['241', '5 min'],
    ['Fri, 02 Jan 2026 00:00:00 GMT', '24 h'],
  ])('gives up at once when Retry-After is %s', async (time, wait) => {
    const action = { kind: 'answer', status: 429, headers: { 'retry-after': time }, body: 'slow down' } as const;
    const error = await expectFailure('HTTP_UNAVAILABLE', () => failDownload(action, 9));
    expect(error.message).toBe(
      `GET ${url}: status 429 (slow down); the server asks to wait ${wait}, and a request waits at most 4 min`,
    );
    expect(error.hint).toContain(`or pull again in ${wait}`);
    expect(error.context).toMatchObject({ limit: 'maxRetryAfterMs', status: 429 });
    expect(clock.pauses).toEqual([]);
    expect(registry.requests).toHaveLength(1);
  });

  it('gives up at once when Retry-After exceeds what the call has left', async () => {
    const answer = (time: string) =>
      registry.inject({ match: BLOBS, action: { kind: 'answer', status: 429, headers: { 'retry-after': time } } });
    answer('29');
    answer('31');
    const request = { ...get(url), leftMs: 30_000 };
    const error = await expectFailure('HTTP_UNAVAILABLE', () =>
      streamBlob(transport, collecting(request, BLOB.length)),
    );
    expect(error.message).toMatch(/: status 429; the server asks to wait 31 s, and the call has (29|30) s left$/);
    expect(clock.pauses).toEqual([29_000]);
    answer('31');
    await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(request, 1000));
    expect(clock.pauses).toEqual([29_000]);
  });

  it('counts tries anew after a mebibyte of progress, within a total', async () => {
    const big = randomBytes(9 * MIB);
    const stream = collecting(get(`${registry.origin}/v2/team/app/blobs/${registry.addBlob(big)}`), big.length);
    registry.inject({ match: BLOBS, times: 8, action: { kind: 'close', afterBytes: MIB } });
    await streamBlob(transport, stream);
    expect(stream.received().equals(big)).toBe(true);
    expect(clock.pauses).toEqual(Array(8).fill(500));
  });

  it('stops at the total of tries whatever the progress', async () => {
    await transport.close();
    transport = quickTransport({ clock, limits: { maxTotalTries: 3, minRetryProgressBytes: 1 } });
    registry.inject({ match: BLOBS, times: 99, action: { kind: 'close', afterBytes: 10 } });
    await expectFailure('HTTP_UNAVAILABLE', download);
    expect(registry.requests).toHaveLength(3);
  });

  it('retries a refused connection', async () => {
    const gone = await startFakeRegistry();
    const { origin } = gone;
    await gone.close();
    await expectFailure('HTTP_UNAVAILABLE', () => streamBlob(transport, collecting(get(`${origin}/v2/`), 1)));
    expect(clock.pauses).toHaveLength(DEFAULT_LIMITS.maxTries - 1);
  });

  it('retries a name that does not resolve', async () => {
    // The label is longer than the maximum, so that no name server is asked.
    const request = get(`http://${'x'.repeat(64)}.invalid/v2/`);
    await expectFailure('HTTP_UNAVAILABLE', () => streamBlob(transport, collecting(request, 1)));
    expect(clock.pauses).toHaveLength(DEFAULT_LIMITS.maxTries - 1);
  });
});

describe('streamBlob, an answer that is refused at once', () => {
  afterEach(() => expect(clock.pauses).toEqual([]));

  it.each([
    ['a Content-Length that is too short', { 'content-length': '299999' }, 'BLOB_SIZE_MISMATCH'],
    ['a Content-Length that is too long', { 'content-length': '300001' }, 'BLOB_SIZE_MISMATCH'],
  ] as const)('%s', async (_, headers, code) => {
    await expectFailure(code, () => failDownload({ kind: 'headers', headers }));
  });

  it('an encoded body, whose size is not that of the blob', async () => {
    const action = { kind: 'encode', encoding: 'gzip', encode: gzipSync } as const;
    const error = await expectFailure('BLOB_SIZE_MISMATCH', () => failDownload(action));
    expect(error.message).toMatch(/expected 300000 bytes, got \d+ with Content-Encoding gzip$/);
  });

  it.each([
    ['a length', '<html><title>Sign in</title></html>', 'text/html with the title "Sign in"'],
    ['a length and without a title', '<p>no', 'text/html'],
  ])('a web page with %s', async (_, body, words) => {
    const headers = { 'content-type': 'text/html' };
    const error = await expectFailure('HTTP_STATUS_UNEXPECTED', () =>
      failDownload({ kind: 'answer', status: 200, headers, body }),
    );
    expect(error.message).toBe(`GET ${url}: got ${words}`);
  });

  it('a web page in chunks', async () => {
    const bytes = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<html>\r\n';
    await expectFailure('HTTP_STATUS_UNEXPECTED', () => failDownload({ kind: 'raw', bytes }));
  });

  it('a chunked body that is too short', async () => {
    await expectFailure('BLOB_SIZE_MISMATCH', () => failDownload({ kind: 'chunked', bytes: 299_999 }));
  });

  it('an endless body, of which nothing beyond the size is delivered', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'endless' } });
    const stream = collecting(get(url), BLOB.length);
    await expectFailure('BLOB_SIZE_MISMATCH', () => streamBlob(transport, stream));
    expect(stream.received().length).toBeLessThanOrEqual(BLOB.length);
  });

  it.each([
    ['401', 401, 'REGISTRY_AUTH_REJECTED'],
    ['403', 403, 'REGISTRY_AUTH_REJECTED'],
    ['404', 404, 'REGISTRY_BLOB_UNKNOWN'],
    ['416', 416, 'HTTP_RESPONSE_INVALID'],
    ['an unasked 206', 206, 'HTTP_RESPONSE_INVALID'],
    ['400', 400, 'HTTP_STATUS_UNEXPECTED'],
    ['204', 204, 'HTTP_STATUS_UNEXPECTED'],
    ['304', 304, 'HTTP_STATUS_UNEXPECTED'],
  ] as const)('status %s', async (_, status, code) => {
    await expectFailure(code, () => failDownload({ kind: 'answer', status }));
  });

  it.each([
    ['chunks and a length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 300000\r\n\r\n'],
    ['a broken chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['something else than HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['more header than 16 KiB', `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s', async (_, bytes) => {
    await expectFailure('HTTP_RESPONSE_INVALID', () => failDownload({ kind: 'raw', bytes }));
  });
});

describe('streamBlob, an answer to a range', () => {
  it.each([
    ['that starts too early', 'bytes 99999-299999/300000'],
    ['that starts too late', 'bytes 100001-299999/300000'],
    ['that ends early', 'bytes 100000-299998/300000'],
    ['of another whole', 'bytes 100000-299999/300001'],
    ['of an unknown whole', 'bytes 100000-299999/*'],
    ['without a range', ''],
    ['of which a part is missing', 'bytes 100000-199999/300000'],
  ])('%s leads to one request for the whole', async (_, contentRange) => {
    registry.inject({ match: BLOBS, action: { kind: 'close', afterBytes: 100_000 } });
    registry.inject({ match: BLOBS, action: { kind: 'headers', headers: { 'content-range': contentRange } } });
    expect(await download()).toEqual(BLOB);
    expect(registry.requests.map(({ headers }) => headers['range'])).toEqual([undefined, 'bytes=100000-', undefined]);
    expect(clock.pauses).toEqual([500]);
  });

  it('with status 416 leads to one request for the whole, and so do later breaks', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'close', afterBytes: 100_000 } });
    registry.inject({ match: BLOBS, action: { kind: 'answer', status: 416 } });
    registry.inject({ match: BLOBS, action: { kind: 'close', afterBytes: 200_000 } });
    expect(await download()).toEqual(BLOB);
    const ranges = registry.requests.map(({ headers }) => headers['range']);
    expect(ranges).toEqual([undefined, 'bytes=100000-', undefined, undefined]);
  });

  it.each([
    ['416', { kind: 'answer', status: 416 }],
    ['206', { kind: 'answer', status: 206, headers: { 'content-range': 'bytes 0-0/1' }, body: 'a' }],
  ] satisfies [string, FaultAction][])(
    'and then to the whole with status %s is an error of the server',
    async (_, action) => {
      registry.inject({ match: BLOBS, action: { kind: 'close', afterBytes: 100_000 } });
      registry.inject({ match: BLOBS, times: 2, action });
      const error = await expectFailure('HTTP_STATUS_UNEXPECTED', download);
      expect(error.kind).toBe('unavailable');
      expect(registry.requests).toHaveLength(3);
    },
  );

  it('that differs from what came before is delivered, for the digest to refuse', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'close', afterBytes: 100_000 } });
    registry.inject({ match: BLOBS, action: { kind: 'answer', status: 416 } });
    registry.inject({
      match: BLOBS,
      action: { kind: 'alter', alter: (body) => body.map((byte) => byte ^ 1) as Buffer },
    });
    const received = await download();
    expect(received).toHaveLength(BLOB.length);
    expect(received.equals(BLOB)).toBe(false);
  });
});

describe('streamBlob and its writer', () => {
  it('passes an error of the writer on unchanged, without another try', async () => {
    const refusal = new SealiftError('TAR_INVALID', 'entry 1: bad checksum');
    const stream = {
      ...collecting(get(url), BLOB.length),
      write: () => {
        throw refusal;
      },
    };
    await expect(streamBlob(transport, stream)).rejects.toBe(refusal);
    expect(registry.requests).toHaveLength(1);
    expect(clock.pauses).toEqual([]);
  });

  it('passes a rejection of the writer on unchanged', async () => {
    const refusal = new SealiftError('TAR_INVALID', 'entry 1: bad checksum');
    const stream = { ...collecting(get(url), BLOB.length), write: () => Promise.reject(refusal) };
    await expect(streamBlob(transport, stream)).rejects.toBe(refusal);
    expect(registry.requests).toHaveLength(1);
  });

  it('holds the connection back while the writer has a promise, and keeps the order', async () => {
    const chunks: Buffer[] = [];
    let busy = false;
    await streamBlob(transport, {
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
    expect(chunks.length).toBeGreaterThan(1);
  });

  it('takes no more than buffers hold while the writer has a promise', async () => {
    const big = Buffer.alloc(64 * MIB);
    const request = get(`${registry.origin}/v2/team/app/blobs/${registry.addBlob(big)}`);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let received = 0;
    const write = (chunk: Uint8Array) => {
      received += chunk.length;
      return released;
    };
    const slow = streamBlob(transport, { ...collecting(request, big.length), write });
    // Another download of the same bytes shows how long the server would have needed.
    await streamBlob(transport, { ...collecting(request, big.length), write: () => undefined });
    expect(registry.finishedResponses).toBe(1);
    release();
    await slow;
    expect(received).toBe(big.length);
  });

  it('does not take a writer that blocks for a stall of the server', async () => {
    await beImpatient();
    let blocked = 0;
    const stream = collecting(get(url), BLOB.length);
    await streamBlob(transport, {
      ...stream,
      write(chunk) {
        const until = performance.now() + (blocked === 0 ? IMPATIENT.stallTimeoutMs * 2 : 0);
        while (performance.now() < until) blocked = IMPATIENT.stallTimeoutMs * 2;
        return stream.write(chunk);
      },
      blockedMs: () => blocked,
    });
    expect(stream.received().equals(BLOB)).toBe(true);
    expect(registry.requests).toHaveLength(1);
  });
});

describe('streamBlob, unauthorized', () => {
  const challenge = {
    kind: 'answer',
    status: 401,
    headers: { 'www-authenticate': 'Bearer realm="https://a/t"' },
  } as const;
  const asked: unknown[] = [];

  function renewing(): ReturnType<typeof collecting> {
    asked.length = 0;
    return {
      ...collecting(get(url, { authorization: 'Bearer old' }), BLOB.length),
      onUnauthorized(given): Promise<HttpRequest> {
        asked.push(given);
        return Promise.resolve(get(url, { authorization: `Bearer new-${asked.length}` }));
      },
    };
  }

  it('goes on with the renewed request', async () => {
    registry.inject({ match: BLOBS, action: challenge });
    await streamBlob(transport, renewing());
    expect(asked).toEqual([{ headers: ['Bearer realm="https://a/t"'], refusedAuthorization: 'Bearer old' }]);
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual(['Bearer old', 'Bearer new-1']);
  });

  it('renews once for each token: a fresh one that is refused is the end', async () => {
    registry.inject({ match: BLOBS, times: 9, action: challenge });
    await expectFailure('REGISTRY_AUTH_REJECTED', () => streamBlob(transport, renewing()));
    expect(registry.requests).toHaveLength(2);
  });

  it('renews again when the token runs out between two parts', async () => {
    registry.inject({ match: BLOBS, action: challenge });
    registry.inject({ match: BLOBS, action: { kind: 'close', afterBytes: 1000 } });
    registry.inject({ match: BLOBS, action: challenge });
    await streamBlob(transport, renewing());
    expect(asked).toHaveLength(2);
    expect(registry.requests.at(-1)?.headers).toMatchObject({ authorization: 'Bearer new-2', range: 'bytes=1000-' });
  });

  it('never answers a challenge of another origin', async () => {
    const other = await startFakeRegistry();
    other.inject({ match: /./, times: 2, action: challenge });
    const location = `${other.origin}/blob`;
    registry.inject({ match: BLOBS, times: 2, action: { kind: 'answer', status: 307, headers: { location } } });
    await expectFailure('REGISTRY_AUTH_REJECTED', () => streamBlob(transport, renewing()));
    expect(asked).toEqual([]);
    expect(other.requests[0]?.headers['authorization']).toBeUndefined();
    await other.close();
  });
});

const XML = '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>';

describe('what the server says', () => {
  it.each([
    [
      429,
      'HTTP_UNAVAILABLE',
      '{"errors":[{"code":"TOOMANYREQUESTS","message":"pull limit"}]}',
      'TOOMANYREQUESTS: pull limit',
    ],
    [503, 'HTTP_UNAVAILABLE', 'down for repair\nuntil noon', 'down for repair'],
    [403, 'REGISTRY_AUTH_REJECTED', XML, 'AccessDenied: Request has expired'],
    [404, 'REGISTRY_BLOB_UNKNOWN', '{"error":"gone"}', 'gone'],
    [400, 'HTTP_STATUS_UNEXPECTED', '<html><title>Bad request</title></html>', 'text/html: Bad request'],
  ] as const)('with status %i is in the error', async (status, code, body, words) => {
    const error = await expectFailure(code, () => failDownload({ kind: 'answer', status, body }, 99));
    expect(error.message).toContain(`GET ${url}: status ${status} (${words})`);
  });

  it('with status 404 and a page hints that it looks like a web server', async () => {
    const page = { kind: 'answer', status: 404, body: '<html><title>Not Found</title></html>' } as const;
    const error = await expectFailure('REGISTRY_BLOB_UNKNOWN', () => failDownload(page, 99));
    expect(error.hint).toContain('this looks like a web server and not like a registry');
  });

  it.each([
    [{}, 'later'],
    [{ 'retry-after': '7' }, 'in 7 s'],
  ])(
    'with status 429 and the headers %j leads to a hint about credentials, mirrors and time',
    async (headers, time) => {
      const error = await expectFailure('HTTP_UNAVAILABLE', () =>
        failDownload({ kind: 'answer', status: 429, headers }, 99),
      );
      expect(error.hint).toBe(
        `the registry limits the number of requests: give credentials for it, use a mirror, or pull again ${time}`,
      );
    },
  );

  it('is shown without the token that it quotes', async () => {
    registry.inject({ match: BLOBS, action: { kind: 'answer', status: 403, body: 'bad token s3cret-t0ken' } });
    const request = get(url, { authorization: 'Bearer s3cret-t0ken' });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => streamBlob(transport, collecting(request, 1)));
    expect(error.message).toContain('status 403 (bad token REDACTED)');
  });

  it('does not matter where its body breaks off or does not come', async () => {
    await beImpatient();
    for (const kind of ['endless', 'stall'] as const) {
      const action =
        kind === 'endless'
          ? { kind, status: 404 }
          : ({ kind: 'raw', bytes: 'HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\ngo' } as const);
      await expectFailure('REGISTRY_BLOB_UNKNOWN', () => failDownload(action));
    }
    expect(registry.requests).toHaveLength(2);
  });
});

describe('streamBlob after a redirect', () => {
  let storage: FakeRegistry;

  beforeEach(async () => {
    storage = await startFakeRegistry();
    storage.addBlob(BLOB);
    const location = `${storage.origin}${new URL(url).pathname}?X-Amz-Signature=0123456789`;
    registry.inject({ match: BLOBS, times: 99, action: { kind: 'answer', status: 307, headers: { location } } });
  });

  afterEach(() => storage.close());

  it.each([400, 403, 410])('asks the registry for another address, once, after status %i', async (status) => {
    storage.inject({ match: BLOBS, action: { kind: 'answer', status } });
    expect(await download()).toEqual(BLOB);
    expect([registry.requests.length, storage.requests.length]).toEqual([2, 2]);
    expect(clock.pauses).toEqual([]);
  });

  it('names the host that refused and its words, without the signature', async () => {
    storage.inject({ match: BLOBS, times: 99, action: { kind: 'answer', status: 403, body: `${XML} 0123456789` } });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', download);
    expect(error.message).toBe(
      `GET ${url}: redirected to ${storage.host}: status 403 (AccessDenied: Request has expired)`,
    );
    expect(error.hint).toContain(storage.host);
    expect(storage.requests).toHaveLength(2);
  });

  it.each([
    ['a status', { kind: 'answer', status: 503, body: 'no disk' }, 'status 503 (no disk), gave up after 5 tries'],
    ['a reset', { kind: 'hang-up' }, 'ECONNRESET'],
    ['an early end', { kind: 'unframed', bytes: 0 }, 'connection was closed before the end of the body'],
  ] satisfies [string, FaultAction, string][])('names the host of %s', async (_, action, words) => {
    storage.inject({ match: BLOBS, times: 99, action });
    const error = await expectFailure('HTTP_UNAVAILABLE', download);
    expect(error.message).toContain(`GET ${url}: redirected to ${storage.host}: `);
    expect(error.message).toContain(words);
  });

  it('names a host that does not exist', async () => {
    registry.forgetFaults();
    // The label is longer than the maximum, so that no name server is asked.
    const location = `http://${'x'.repeat(64)}.invalid/blob`;
    registry.inject({ match: BLOBS, times: 99, action: { kind: 'answer', status: 307, headers: { location } } });
    const error = await expectFailure('HTTP_UNAVAILABLE', download);
    expect(error.message).toContain(`GET ${url}: redirected to ${'x'.repeat(64)}.invalid: `);
  });
});
