import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { IdleMemory } from '../../../src/daemon/idle-memory.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import type { PageOutResult } from '../../../src/platform/index.ts';
import { SILENT_LOGGER } from '../../support/daemons/silent-logger.ts';

const WORKER_IDLE_MS = 15_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface Sleep {
  readonly ms: number;
  readonly wake: () => void;
}

function world({
  releaseCode = (): PageOutResult => ({ askedBytes: 1, failures: [] }),
  workerIdleMs = WORKER_IDLE_MS,
} = {}) {
  const sleeps: Sleep[] = [];
  const steps: string[] = [];
  const logged: unknown[] = [];
  const state = { threads: 0 };
  const memory = new IdleMemory({
    workerIdleMs,
    hasThreads: () => state.threads > 0,
    releaseMemory: () => steps.push('memory'),
    releaseThreadMemory: () => steps.push('thread memory'),
    releaseCode: () => {
      steps.push('code');
      return releaseCode();
    },
    clock: {
      nowMs: () => 0,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          signal?.addEventListener('abort', () => resolve());
          sleeps.push({ ms, wake: resolve });
        }),
    },
    log: { ...SILENT_LOGGER, debug: (fields: unknown) => logged.push(fields) },
  });
  /** Ends the next wait, and returns how long it would have been. */
  async function wait(): Promise<number> {
    const next = sleeps.shift();
    next?.wake();
    await setImmediate();
    return next?.ms ?? 0;
  }
  return { memory, wait, steps, logged, state };
}

describe('IdleMemory', () => {
  it('releases free memory at once, and later what threads have left, and code', async () => {
    const { memory, wait, steps } = world();
    const idle = memory.noteIdle();
    expect(steps).toEqual(['memory']);
    expect(await wait()).toBe(2 * WORKER_IDLE_MS);
    expect(steps).toEqual(['memory', 'thread memory']);
    expect(await wait()).toBe(WORKER_IDLE_MS);
    await idle;
    expect(steps).toEqual(['memory', 'thread memory', 'code']);
  });

  it('waits no longer than a timer can', async () => {
    const { memory, wait } = world({ workerIdleMs: LONGEST_TIMER_MS });
    void memory.noteIdle();
    expect(await wait()).toBe(LONGEST_TIMER_MS);
  });

  it.each([
    [0, ['memory']],
    [1, ['memory', 'thread memory']],
  ])('goes on with nothing after %i waits when a thread lives', async (waits, expected) => {
    const { memory, wait, steps, state } = world();
    const idle = memory.noteIdle();
    for (let count = 0; count < waits; count += 1) await wait();
    state.threads = 1;
    await wait();
    await idle;
    expect(steps).toEqual(expected);
  });

  it('begins again after work in between', async () => {
    const { memory, wait, steps } = world();
    const first = memory.noteIdle();
    const second = memory.noteIdle();
    await first;
    expect(steps).toEqual(['memory', 'memory']);
    for (let count = 0; count < 3; count += 1) await wait();
    await second;
    expect(steps).toEqual(['memory', 'memory', 'thread memory', 'code']);
  });

  const refused = () => new SealiftError('PLATFORM_CALL_FAILED', 'madvise: expected success, got EINVAL');

  it.each([
    ['a mapping that the kernel refuses', () => ({ askedBytes: 0, failures: [refused()] })],
    [
      '/proc that cannot be read',
      () => {
        throw refused();
      },
    ],
  ])('logs %s and goes on', async (_, releaseCode) => {
    const { memory, wait, logged } = world({ releaseCode });
    const idle = memory.noteIdle();
    for (let count = 0; count < 2; count += 1) await wait();
    await idle;
    expect(logged).toContainEqual({ code: 'PLATFORM_CALL_FAILED', error: refused().message });
  });
});
