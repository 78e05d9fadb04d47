import { describe, expect, it } from 'vitest';
import { SharedFetches } from '../../../src/keybroker/shared-fetches.ts';
import { expectFailure } from '../../support/matchers.ts';

/** Fetches that count how often each key is asked for. */
function counting(maxBytes = 10, ttlMs = 1_000_000) {
  const asked: string[] = [];
  const fetches = new SharedFetches({ ttlMs, timeoutMs: 60_000, maxBytes, nowMs: () => 0 });
  const get = (key: string, bytes = 4) =>
    fetches.get(
      key,
      async () => {
        asked.push(key);
        return new Uint8Array(bytes);
      },
      undefined,
    );
  return { asked, get, fetches };
}

describe('shared fetches', () => {
  it('keep as many bytes as they may, and drop the oldest first', async () => {
    const { asked, get } = counting();
    for (const key of ['a', 'b', 'a', 'c', 'b', 'c', 'a']) await get(key);
    expect(asked).toEqual(['a', 'b', 'c', 'a']);
  });

  it('keep nothing that is larger, and nothing for no time', async () => {
    const large = counting();
    for (const key of ['a', 'a']) await large.get(key, 11);
    expect(large.asked).toEqual(['a', 'a']);
    const brief = counting(10, 0);
    for (const key of ['a', 'a']) await brief.get(key);
    expect(brief.asked).toEqual(['a', 'a']);
  });

  it('drop what is kept when they are closed, and keep nothing afterwards', async () => {
    const { asked, get, fetches } = counting();
    await get('a');
    fetches.close();
    for (const key of ['a', 'a']) await get(key);
    expect(asked).toEqual(['a', 'a', 'a']);
  });

  it('end a fetch when all callers have gone, and begin another one for the next', async () => {
    const { fetches } = counting();
    const signals: AbortSignal[] = [];
    const hang = (signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<Uint8Array>(() => undefined);
    };
    const callers = [new AbortController(), new AbortController()];
    const waiting = callers.map(({ signal }) => fetches.get('a', hang, signal));
    for (const [index, caller] of callers.entries()) {
      expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
      caller.abort();
      await expectFailure('PULL_CANCELLED', () => waiting[index]);
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(await fetches.get('a', async () => new Uint8Array(1), undefined)).toHaveLength(1);
  });
});
