import { createHash } from 'node:crypto';
import { createRangeBudget, createRangeBudgetMemory, type Transport } from '../../../src/http/index.ts';
import type { PaceRule } from '../../../src/http/pace.ts';
import { createTransport } from '../../../src/http/transport.ts';
import type { TransportLimits } from '../../../src/http/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { FakeRegistry, RecordedRequest } from './fake-registry.ts';
import { type RecordingClock, recordingClock } from './http-fixture.ts';

const KIB = 1024;

/** Small enough that a blob of some mebibytes has many ranges. */
export const SMALL_RANGES = { minRangedBytes: 256 * KIB, rangeBytes: 512 * KIB, rangeWindowMs: 1 };

/** Uses so many connections from the first window on; fewer when a server asks for it, and then never more. */
export function eagerPace(connections: number): PaceRule {
  return (pace) => {
    if (pace.settledWindows !== undefined) return pace;
    return { connections, settledWindows: 0, patienceWindows: Number.MAX_SAFE_INTEGER };
  };
}

/**
 * A clock that advances by a millisecond with each reading: how much arrives in one does not depend on the machine.
 * Pauses are recorded.
 */
export function logicalClock(): RecordingClock {
  let now = 0;
  return {
    ...recordingClock(),
    now: () => {
      now += 1;
      return now;
    },
  };
}

export interface RangedTransport extends AsyncDisposable {
  readonly transport: Transport;
  readonly clock: RecordingClock;
  /** Slices of the process's memory for ranges that are taken. */
  takenSlices(): number;
}

export interface RangedTransportOptions {
  readonly pace?: PaceRule;
  readonly limits?: Partial<TransportLimits>;
  readonly clock?: RecordingClock;
  /** Slices that other threads have. */
  readonly slicesOfOthers?: number;
}

export function openRangedTransport(options: RangedTransportOptions = {}): RangedTransport {
  const { pace = eagerPace(4), clock = logicalClock(), slicesOfOthers = 0 } = options;
  const limits = { ...DEFAULT_LIMITS, ...SMALL_RANGES, ...options.limits };
  const taken = createRangeBudgetMemory();
  const words = new Int32Array(taken);
  words[0] = slicesOfOthers;
  const rangeBudget = createRangeBudget({
    taken,
    share: createRangeBudgetMemory(),
    maxBytes: limits.maxRangedInFlightBytes,
  });
  const settings = { tlsVerify: true, extraRoots: [], userAgent: 'sealift-test' };
  const transport = createTransport(settings, { limits, clock, rangeBudget, decidePace: pace });
  return {
    transport,
    clock,
    takenSlices: () => (words[0] ?? 0) - slicesOfOthers,
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

/** Matches requests of the front, which have no end. */
export const FRONT = /^(?:bytes=\d+-)?$/;
/** Matches requests for a range, which run beside the front. */
export const RANGE = /^bytes=\d+-\d+$/;

/** Slows the front down, so that ranges have time; `times` of its responses, if there are several. */
export function slowFront(registry: FakeRegistry, times = 1): void {
  registry.inject({
    match: /\/blobs\//,
    range: FRONT,
    times,
    action: { kind: 'trickle', chunkBytes: 16 * KIB, everyMs: 1 },
  });
}

export function askedRanges(requests: readonly RecordedRequest[]): { first: number; last: number }[] {
  return requests
    .map(({ headers }) => /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? ''))
    .filter((match) => match !== null)
    .map(([, first, last]) => ({ first: Number(first), last: Number(last) }));
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
