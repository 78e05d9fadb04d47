import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerStart } from '../workers/messages.ts';
import { serveWorker } from '../workers/serve-worker.ts';

/** The entry of every layer worker: a composition root of its own. */
if (parentPort !== null) {
  const checkpoint = (): void => {};
  serveWorker(parentPort, workerData as WorkerStart, {
    // Only workers that are asked for such work load the rooms that do it.
    performOperation: async (operation) =>
      (await import('../operations/index.ts')).performOperation(operation, checkpoint),
    checkpoint,
  });
}
