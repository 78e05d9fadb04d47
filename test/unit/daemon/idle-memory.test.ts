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
  pageOutCode = (): PageOutResult => ({ askedBytes: 1, failures: [] }),
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
    releaseIdleMemory: () => {
      steps.push('code');
      return pageOutCode();
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
  return { memory, sleeps, steps, logged, state };
}

describe('IdleMemory', () => {
  it('releases free memory at once, and code after the quiet time', async () => {
    const { memory, sleeps, steps } = world();
    const idle = memory.noteIdle();
    expect(steps).toEqual(['memory']);
    expect(sleeps.map(({ ms }) => ms)).toEqual([3 * WORKER_IDLE_MS]);
    sleeps[0]?.wake();
    await idle;
    expect(steps).toEqual(['memory', 'code']);
  });

  it('waits no longer than a timer can', () => {
    const { memory, sleeps } = world({ workerIdleMs: LONGEST_TIMER_MS });
    void memory.noteIdle();
    expect(sleeps.map(({ ms }) => ms)).toEqual([LONGEST_TIMER_MS]);
  });

  it('leaves code alone while a thread lives', async () => {
    const { memory, sleeps, steps, state } = world();
    const idle = memory.noteIdle();
    state.threads = 1;
    sleeps[0]?.wake();
    await idle;
    expect(steps).toEqual(['memory']);
  });

  it('waits the whole quiet time again after work in between', async () => {
    const { memory, sleeps, steps } = world();
    const first = memory.noteIdle();
    const second = memory.noteIdle();
    sleeps[0]?.wake();
    await first;
    expect(steps).toEqual(['memory', 'memory']);
    sleeps[1]?.wake();
    await second;
    expect(steps).toEqual(['memory', 'memory', 'code']);
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
  ])('logs %s and goes on', async (_, pageOutCode) => {
    const { memory, sleeps, logged } = world({ pageOutCode });
    const idle = memory.noteIdle();
    sleeps[0]?.wake();
    await idle;
    expect(logged).toContainEqual({ code: 'PLATFORM_CALL_FAILED', error: refused().message });
  });
});
