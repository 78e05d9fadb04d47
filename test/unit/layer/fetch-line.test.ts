import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createRangeBudget, createRangeBudgetMemory } from '../../../src/http/index.ts';
import { runFetchLine } from '../../../src/layer/fetch-line.ts';
import { FetchQueue, type FetchSlot } from '../../../src/layer/fetch-queue.ts';
import { HeldBytes } from '../../../src/layer/held-bytes.ts';
import { SLOT_BYTES, type SlotWriter } from '../../../src/layer/ring.ts';
import type { LayerJob } from '../../../src/layer/types.ts';
import { createWindowGate, createWindowTokenMemory } from '../../../src/layer/window-token.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { createMemorySource } from '../../support/builders/memory-source.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { expectFailure } from '../../support/matchers.ts';

const LAYER = pseudoRandom(3 * 1024 * 1024, 'fetch line');
const BLOB = gzipSync(LAYER, { level: 1 });

const JOB: LayerJob = {
  blobDigest: hashBytes(BLOB),
  blobSize: BLOB.length,
  compression: 'gzip',
  diffId: hashBytes(LAYER),
  file: { fd: -1, offset: 0, length: BLOB.length },
  factsPath: undefined,
  target: { kind: 'merged', directory: '/nonexistent', privileged: false },
};

function collectSlots() {
  const parts: Buffer[] = [];
  const memory = Buffer.alloc(SLOT_BYTES);
  let hasEnded = false;
  const writer: SlotWriter = {
    acquire: () => memory,
    publish: (length) => void parts.push(Buffer.from(memory.subarray(0, length))),
    end: () => {
      hasEnded = true;
    },
  };
  return { writer, bytes: () => Buffer.concat(parts), hasEnded: () => hasEnded };
}

interface Fetch {
  readonly served?: Buffer;
  readonly queueSlot?: FetchSlot;
  readonly abort?: AbortController;
}

function fetchInto(slots: SlotWriter, { served = BLOB, queueSlot = new FetchQueue().join(), abort }: Fetch = {}) {
  const taken = createRangeBudgetMemory();
  const budget = createRangeBudget({ taken, share: createRangeBudgetMemory(), maxBytes: 32 * 1024 * 1024 });
  const seen = { bytes: 0, aheadBytes: 0, takenSlices: () => new Int32Array(taken)[0] };
  const done = runFetchLine(JOB, slots, {
    source: createMemorySource(served),
    onBytes: (bytes) => {
      seen.bytes += bytes;
    },
    onAhead: (bytes) => {
      seen.aheadBytes += bytes;
      abort?.abort(new Error('enough'));
    },
    blockedMs: () => 0,
    windowGate: createWindowGate({
      memory: createWindowTokenMemory(),
      workerId: 1,
      maxWindowLog: DEFAULT_LIMITS.maxZstdWindowLog,
      throwIfCancelled: () => {},
    }),
    inflate: 'auto',
    limits: DEFAULT_LIMITS,
    signal: abort?.signal ?? new AbortController().signal,
    queueSlot,
    held: new HeldBytes({ budget, isWireBound: () => true }),
  });
  return { done, seen };
}

describe('runFetchLine', () => {
  it('turns the bytes of a source into the layer, and ends the ring after the digest held', async () => {
    const slots = collectSlots();
    const { done, seen } = fetchInto(slots.writer);
    await done;
    expect(slots.bytes().equals(LAYER)).toBe(true);
    expect(slots.hasEnded()).toBe(true);
    expect(seen.bytes).toBe(BLOB.length);
  });

  it.each([
    ['one byte fewer', 'BLOB_SIZE_MISMATCH', BLOB.subarray(0, -1)],
    ['one byte more', 'BLOB_SIZE_MISMATCH', Buffer.concat([BLOB, Buffer.of(0)])],
    ['another last byte', 'BLOB_DIGEST_MISMATCH', Buffer.concat([BLOB.subarray(0, -1), Buffer.of(255)])],
  ] as const)('refuses a source with %s, and does not end the ring', async (_, code, served) => {
    const slots = collectSlots();
    await expectFailure(code, () => fetchInto(slots.writer, { served }).done);
    expect(slots.hasEnded()).toBe(false);
  });

  it('holds what comes ahead of its slot, and hands it on when the slot begins', async () => {
    const queue = new FetchQueue();
    const before = queue.join();
    const slots = collectSlots();
    const { done, seen } = fetchInto(slots.writer, { queueSlot: queue.join() });
    await expect.poll(() => seen.aheadBytes).toBe(BLOB.length);
    expect(slots.bytes()).toHaveLength(0);
    expect(seen.takenSlices()).toBeGreaterThan(0);
    before.end();
    await done;
    expect(slots.bytes().equals(LAYER)).toBe(true);
    expect(seen.takenSlices()).toBe(0);
  });

  it('gives the memory back when it is cancelled ahead of its slot', async () => {
    const queue = new FetchQueue();
    const before = queue.join();
    const slots = collectSlots();
    const { done, seen } = fetchInto(slots.writer, { queueSlot: queue.join(), abort: new AbortController() });
    await expectFailure('PULL_CANCELLED', () => done);
    expect(seen.aheadBytes).toBeGreaterThan(0);
    expect(seen.takenSlices()).toBe(0);
    before.end();
  });
});
