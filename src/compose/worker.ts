import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerStart } from '../workers/index.ts';
import { serveWorker } from '../workers/serve-worker.ts';
import type { WorkerCall } from './operations.ts';

/** The entry of every worker thread: a composition root of its own. */
if (parentPort !== null) {
  const start: WorkerStart = workerData;
  const checkpoint = (): void => {};
  serveWorker<WorkerCall>(parentPort, start, {
    // Only workers that are asked for operations load the rooms that define them.
    performOperation: async (call) => (await import('./operations.ts')).performOperation(call, checkpoint),
    checkpoint,
  });
}
