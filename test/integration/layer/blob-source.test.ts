import { closeSync, openSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import type { BlobDelivery, BlobSource, Transport } from '../../../src/http/index.ts';
import { createFileSource } from '../../../src/layer/file-source.ts';
import { createMemorySource } from '../../support/builders/memory-source.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { get, quickTransport } from '../../support/registries/http-fixture.ts';

const BLOB = pseudoRandom(5 * 1024 * 1024 + 17, 'blob source');
const BEFORE = Buffer.alloc(777, 'before');
const AFTER = Buffer.alloc(777, 'after');
const BLOBS = /\/blobs\//;

let scratch: Scratch;
let registry: FakeRegistry;
let transport: Transport;
let fd: number;

beforeEach(async () => {
  scratch = new Scratch('blob-source');
  registry = await startFakeRegistry();
  transport = quickTransport();
  writeFileSync(scratch.join('blobs'), Buffer.concat([BEFORE, BLOB, AFTER]));
  fd = openSync(scratch.join('blobs'), 'r');
});

afterEach(async () => {
  closeSync(fd);
  await transport.close();
  await registry.close();
  scratch[Symbol.dispose]();
});

function serverSource(): BlobSource {
  const request = get(`${registry.origin}/v2/team/app/blobs/${registry.addBlob(BLOB)}`);
  const onUnauthorized = () =>
    Promise.reject(new SealiftError('REGISTRY_AUTH_REJECTED', 'no credentials in this test'));
  return transport.blobSource({ request, size: BLOB.length, onUnauthorized });
}

const SOURCES = [
  { where: 'a server', sourceOf: serverSource },
  { where: 'a file', sourceOf: () => createFileSource({ fd, offset: BEFORE.length, length: BLOB.length }) },
  { where: 'memory, the test double', sourceOf: () => createMemorySource(BLOB) },
];

/** Collects copies of what is delivered. */
function collector(change: Partial<BlobDelivery> = {}): BlobDelivery & { bytes(): Buffer } {
  const chunks: Buffer[] = [];
  return {
    write: (chunk) => void chunks.push(Buffer.from(chunk)),
    blockedMs: () => 0,
    signal: new AbortController().signal,
    bytes: () => Buffer.concat(chunks),
    ...change,
  };
}

describe.each(SOURCES)('a blob source on $where', ({ sourceOf }) => {
  it('opens the whole blob, as often as it is asked to', async () => {
    const source = sourceOf();
    for (const delivery of [collector(), collector()]) {
      await source.open(delivery);
      expect(delivery.bytes().equals(BLOB)).toBe(true);
    }
  });

  it.each([
    ['the first byte', 0, 0],
    ['the last byte', BLOB.length - 1, BLOB.length - 1],
    ['some bytes in the middle', 1_000, 1_234_567],
    ['all bytes', 0, BLOB.length - 1],
  ])('delivers %s as a range', async (_, first, last) => {
    const delivery = collector();
    await sourceOf().range({ first, last }, delivery);
    expect(delivery.bytes().equals(BLOB.subarray(first, last + 1))).toBe(true);
  });

  it.each([
    [-1, 5],
    [7, 6],
    [0, BLOB.length],
    [0.5, 2],
    [0, Number.NaN],
  ])('refuses the range %d-%d, which is not inside the blob', async (first, last) => {
    const delivery = collector();
    await expectFailure('INTERNAL', () => sourceOf().range({ first, last }, delivery));
    expect(delivery.bytes()).toHaveLength(0);
  });

  it('waits for the writer', async () => {
    let isWriting = false;
    const chunks: Buffer[] = [];
    const write = async (chunk: Uint8Array) => {
      expect(isWriting).toBe(false);
      isWriting = true;
      chunks.push(Buffer.from(chunk));
      await new Promise((resolve) => setImmediate(resolve));
      isWriting = false;
    };
    await sourceOf().range({ first: 5, last: 3_000_000 }, collector({ write }));
    expect(Buffer.concat(chunks).equals(BLOB.subarray(5, 3_000_001))).toBe(true);
  });

  it.each(['open', 'range'] as const)('passes on what the writer of %s throws', async (call) => {
    const refusal = new SealiftError('LAYER_LIMIT_EXCEEDED', 'refused');
    const delivery = collector({
      write: () => {
        throw refusal;
      },
    });
    const source = sourceOf();
    const outcome = call === 'open' ? source.open(delivery) : source.range({ first: 0, last: 10 }, delivery);
    await expect(outcome).rejects.toBe(refusal);
  });

  it.each(['open', 'range'] as const)('ends %s when its signal aborts', async (call) => {
    const abort = new AbortController();
    let written = 0;
    const write = (chunk: Uint8Array) => {
      written += chunk.length;
      abort.abort(new Error('enough'));
    };
    const delivery = collector({ write, signal: abort.signal });
    const source = sourceOf();
    const all = { first: 0, last: BLOB.length - 1 };
    await expectFailure('PULL_CANCELLED', () =>
      call === 'open' ? source.open(delivery) : source.range(all, delivery),
    );
    expect(written).toBeLessThan(BLOB.length);
  });
});

describe('a range of a server', () => {
  const middle = { first: 100, last: 2_000_000 };
  const expected = BLOB.subarray(100, 2_000_001);

  it('is one request for these bytes', async () => {
    await serverSource().range(middle, collector());
    expect(registry.requests.map(({ headers }) => headers['range'])).toEqual(['bytes=100-2000000']);
  });

  it('is asked for again from where it broke off', async () => {
    registry.inject({ match: BLOBS, times: 1, action: { kind: 'close', afterBytes: 1_000_000 } });
    const delivery = collector();
    await serverSource().range(middle, delivery);
    expect(delivery.bytes().equals(expected)).toBe(true);
    expect(registry.requests).toHaveLength(2);
  });

  it('is refused when the server sends the whole blob', async () => {
    registry.inject({ match: BLOBS, times: 1, action: { kind: 'ignore-range' } });
    const delivery = collector();
    const error = await expectFailure('HTTP_STATUS_UNEXPECTED', () => serverSource().range(middle, delivery));
    expect(error.message).toContain('expected status 206 for a range, got status 200');
    expect(delivery.bytes()).toHaveLength(0);
  });

  it('of a blob that is not there is refused as the whole would be', async () => {
    registry.inject({ match: BLOBS, times: 1, action: { kind: 'answer', status: 404 } });
    await expectFailure('REGISTRY_BLOB_UNKNOWN', () => serverSource().range(middle, collector()));
  });
});

describe('a file that is shorter than the blob', () => {
  const shortSource = () => createFileSource({ fd, offset: BEFORE.length, length: BLOB.length + AFTER.length + 100 });

  it('ends early when it is opened', async () => {
    const delivery = collector();
    await shortSource().open(delivery);
    expect(delivery.bytes()).toHaveLength(BLOB.length + AFTER.length);
  });

  it('fails a range that it does not have', async () => {
    const first = BLOB.length + AFTER.length - 10;
    const error = await expectFailure('ARCHIVE_READ_FAILED', () =>
      shortSource().range({ first, last: first + 19 }, collector()),
    );
    expect(error.message).toMatch(/expected 10 more bytes, got the end of the file$/);
  });
});
