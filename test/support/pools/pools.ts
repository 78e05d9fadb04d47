import { afterAll } from 'vitest';
import type { WorkerOperations } from '../../../src/compose/operations.ts';
import type { OpenPool } from '../../../src/compose/parts.ts';
import { threadsOfMachine } from '../../../src/platform/index.ts';
import { WorkerPool } from '../../../src/workers/index.ts';
import { WORKER_BUNDLE } from './worker-bundles.ts';

/** Threads that live longer than one command: `close`, which the command calls, leaves them alone. */
class KeptPool extends WorkerPool<WorkerOperations> {
  override close(): void {}

  end(): void {
    super.close();
  }
}

const KEPT_IDLE_MS = 60_000;
const kept = new Map<string, KeptPool>();

/** Threads of their own, started from the bundle. */
export const openBundledPool: OpenPool = (settings, idleMs, onIdle = () => {}) =>
  new WorkerPool({ ...settings, entry: WORKER_BUNDLE, idleMs, onIdle, ...threadsOfMachine() });

/** Lends the same threads to all commands of this test file that have these settings. They end with the file. */
export const lendPool: OpenPool = (settings) => {
  const key = JSON.stringify(settings);
  const pool =
    kept.get(key) ?? new KeptPool({ ...settings, entry: WORKER_BUNDLE, idleMs: KEPT_IDLE_MS, ...threadsOfMachine() });
  kept.set(key, pool);
  return pool;
};

afterAll(() => {
  for (const pool of kept.values()) pool.end();
  kept.clear();
});
