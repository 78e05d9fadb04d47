import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import {
  type AttemptResult,
  isRetryableStatus,
  parseRetryAfter,
  retryDelayMs,
  withRetries,
} from '../../../src/http/retry.ts';
import type { TransportClock } from '../../../src/http/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const NOON = Date.UTC(2026, 10, 21, 12);

describe('isRetryableStatus', () => {
  it.each([408, 429, 500, 501, 502, 503, 504, 599])('%i', (status) => expect(isRetryableStatus(status)).toBe(true));
  it.each([200, 206, 301, 400, 401, 403, 404, 409, 416, 600])('not %i', (status) => {
    expect(isRetryableStatus(status)).toBe(false);
  });
});

describe('parseRetryAfter', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    ['Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
    ['Saturday, 21-Nov-26 12:00:30 GMT', 30_000],
    ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
  ])('reads %s', (value, expected) => expect(parseRetryAfter(value, NOON)).toBe(expected));

  it.each([undefined, '', '-1', '1.5', '1e3', '99999999999', 'soon', '2026-11-21'])('ignores %s', (value) => {
    expect(parseRetryAfter(value, NOON)).toBeUndefined();
  });
});

describe('retryDelayMs', () => {
  it('doubles', () => {
    expect(
      [1, 2, 3, 4].map((tries) => retryDelayMs({ tries, retryAfterMs: undefined, random: 1 }, DEFAULT_LIMITS)),
    ).toEqual([500, 1000, 2000, 4000]);
  });

  it('is half chance', () => {
    expect(retryDelayMs({ tries: 2, retryAfterMs: undefined, random: 0 }, DEFAULT_LIMITS)).toBe(500);
    expect(retryDelayMs({ tries: 2, retryAfterMs: undefined, random: 0.5 }, DEFAULT_LIMITS)).toBe(750);
  });

  it('is at least what the server asked for, and bounded all the same', () => {
    expect(retryDelayMs({ tries: 1, retryAfterMs: 3_000, random: 1 }, DEFAULT_LIMITS)).toBe(3_000);
    expect(retryDelayMs({ tries: 3, retryAfterMs: 1_000, random: 1 }, DEFAULT_LIMITS)).toBe(2_000);
    expect(retryDelayMs({ tries: 1, retryAfterMs: 1e9, random: 1 }, DEFAULT_LIMITS)).toBe(60_000);
    expect(retryDelayMs({ tries: 1_000, retryAfterMs: undefined, random: 1 }, DEFAULT_LIMITS)).toBe(60_000);
  });
});

describe('withRetries', () => {
  const pauses: number[] = [];
  const clock: TransportClock = {
    now: () => 0,
    wallNow: () => NOON,
    random: () => 1,
    async sleep(durationMs) {
      pauses.push(durationMs);
    },
  };
  const options = { limits: DEFAULT_LIMITS, clock, maxTries: 3, signal: undefined };
  const failed = (progressBytes = 0, lasting = false): AttemptResult<string> => {
    const error = new SealiftError('HTTP_UNAVAILABLE', 'GET x: reset', { context: { status: 503 } });
    return { kind: 'failed', error, lasting, retryAfterMs: undefined, progressBytes };
  };

  function run(...attempts: AttemptResult<string>[]): Promise<string> {
    pauses.length = 0;
    return withRetries(async () => attempts.shift() ?? failed(), options);
  }

  it('returns the first success', async () => {
    expect(await run(failed(), failed(), { kind: 'done', value: 'x' })).toBe('x');
    expect(pauses).toEqual([500, 1000]);
  });

  it('throws the last failure with the number of tries', async () => {
    const error = await expectFailure('HTTP_UNAVAILABLE', () => run());
    expect(error.message).toBe('GET x: reset, gave up after 3 tries');
    expect(error.context).toEqual({ status: 503, tries: 3 });
  });

  it('does not repeat what will not change', async () => {
    await expectFailure('HTTP_UNAVAILABLE', () => run(failed(0, true)));
    expect(pauses).toEqual([]);
  });

  it('counts anew after enough progress, and not after less', async () => {
    const enough = DEFAULT_LIMITS.minRetryProgressBytes;
    expect(await run(failed(), failed(enough), failed(), { kind: 'done', value: 'x' })).toBe('x');
    expect(pauses).toEqual([500, 500, 1000]);
    await expectFailure('HTTP_UNAVAILABLE', () =>
      run(failed(), failed(enough - 1), failed(), { kind: 'done', value: 'x' }),
    );
  });
});
