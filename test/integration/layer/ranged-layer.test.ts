import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LayerJob } from '../../../src/layer/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { Digest } from '../../../src/oci/index.ts';
import { WorkerPool } from '../../../src/workers/index.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';
import { expectFailure } from '../../support/matchers.ts';
import { until } from '../../support/patience.ts';
import { WORKER_BUNDLE } from '../../support/pools/worker-bundles.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { askedRanges, FRONT, RANGE, SMALL_RANGES } from '../../support/registries/range-fixture.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOBS = /\/blobs\//;
const CONTENT = randomBytes(6 * MIB);
const ARCHIVE = tar([file('content', CONTENT)]);
const DIGEST = `sha256:${createHash('sha256').update(ARCHIVE).digest('hex')}` as Digest;

/** Memory for one range: the next layer cannot get what a layer does not give back. */
const LIMITS = { ...DEFAULT_LIMITS, ...SMALL_RANGES, rangeWindowMs: 20, maxRangedInFlightBytes: 512 * KIB };

let directory: string;
let registry: FakeRegistry;
let pool: WorkerPool;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sealift-ranged-'));
  registry = await startFakeRegistry();
  registry.addBlob(ARCHIVE);
  pool = new WorkerPool({ entry: WORKER_BUNDLE, idleMs: 10_000, limits: LIMITS, cores: 2, treeThread: false });
});

afterEach(async () => {
  pool.close();
  await registry.close();
  rmSync(directory, { recursive: true });
});

/** Makes the front slow, so that a thread waits for the network. */
function slowDown(times: number): void {
  const action = { kind: 'trickle', chunkBytes: 32 * KIB, everyMs: 4 } as const;
  registry.inject({ match: BLOBS, range: FRONT, times, action });
}

/** A job that unpacks into a new directory of that name. */
function job(name: string): LayerJob {
  mkdirSync(join(directory, name));
  return {
    blobDigest: DIGEST,
    blobSize: ARCHIVE.length,
    compression: 'none',
    diffId: DIGEST,
    request: { url: `${registry.origin}/v2/a/blobs/${DIGEST}`, method: 'GET', headers: {}, allowHttp: true },
    transport: { tlsVerify: false, extraRoots: [], userAgent: 'test' },
    factsPath: undefined,
    target: { kind: 'merged', directory: join(directory, name), privileged: false },
  };
}

const ranges = () => askedRanges(registry.requests);

describe('a layer over a slow wire', () => {
  it('comes in ranges as soon as its thread has found that it waits for the wire', async () => {
    slowDown(1);
    await pool.stage(job('only'), {});
    expect(readFileSync(join(directory, 'only', 'content')).equals(CONTENT)).toBe(true);
    expect(ranges().length).toBeGreaterThan(1);
  });

  it('leaves all memory for ranges to the next one when it is cancelled', async () => {
    slowDown(2);
    registry.inject({ match: BLOBS, range: RANGE, action: { kind: 'stall', afterBytes: 1_000 } });
    const controller = new AbortController();
    const first = pool.stage(job('first'), { signal: controller.signal });
    const failed = expectFailure('PULL_CANCELLED', () => first);
    await until(() => ranges().length >= 1);
    controller.abort();
    await failed;
    const before = ranges().length;
    await pool.stage(job('second'), {});
    expect(readFileSync(join(directory, 'second', 'content')).equals(CONTENT)).toBe(true);
    expect(ranges().length).toBeGreaterThan(before);
  });
});
