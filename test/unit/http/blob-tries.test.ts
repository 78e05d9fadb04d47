import { beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { BlobTries } from '../../../src/http/blob-tries.ts';
import type { FailedAttempt } from '../../../src/http/retry.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type RecordingClock, recordingClock } from '../../support/registries/http-fixture.ts';

const FAILED: FailedAttempt = {
  kind: 'failed',
  error: new SealiftError('HTTP_UNAVAILABLE', 'GET: reset'),
  lasting: false,
  retryAfterMs: undefined,
  progressBytes: 0,
};

let clock: RecordingClock;
let receivedBytes: number;
let tries: BlobTries;

beforeEach(() => {
  clock = recordingClock();
  receivedBytes = 0;
  const options = { limits: DEFAULT_LIMITS, clock, maxTries: DEFAULT_LIMITS.maxTries, signal: undefined };
  tries = new BlobTries(options, () => receivedBytes);
});

describe('BlobTries', () => {
  it('takes the failures of attempts that had begun together for one', async () => {
    const { round } = tries;
    const waits = Array.from({ length: 8 }, () => tries.waitAfter(FAILED, round));
    expect(tries.isPausing).toBe(true);
    await Promise.all(waits);
    expect(tries.isPausing).toBe(false);
    await tries.waitAfter(FAILED, round);
    expect(clock.pauses).toEqual([500]);
  });

  it('counts those that began afterwards', async () => {
    for (let count = 0; count < 4; count += 1) await tries.waitAfter(FAILED, tries.round);
    expect(clock.pauses).toEqual([500, 1_000, 2_000, 4_000]);
    await expectFailure('HTTP_UNAVAILABLE', () => tries.waitAfter(FAILED, tries.round));
  });

  it('counts anew after progress on whichever connection', async () => {
    for (let count = 0; count < 10; count += 1) {
      await tries.waitAfter(FAILED, tries.round);
      receivedBytes += DEFAULT_LIMITS.minRetryProgressBytes;
    }
    expect(clock.pauses).toEqual(Array(10).fill(500));
  });

  it('tells all that waited together of the last failure', async () => {
    for (let count = 0; count < 4; count += 1) await tries.waitAfter(FAILED, tries.round);
    const { round } = tries;
    const waits = await Promise.allSettled([tries.waitAfter(FAILED, round), tries.waitAfter(FAILED, round)]);
    expect(waits.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(tries.isPausing).toBe(false);
  });
});
