import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerStart } from '../../../src/workers/messages.ts';
import { serveWorker } from '../../../src/workers/serve-worker.ts';
import { createCheckpoint } from '../programs/checkpoint-folder.ts';

/** The worker of layer/worker.ts, but for its checkpoints. */
if (parentPort !== null) {
  const checkpoint = createCheckpoint(process.env);
  serveWorker(parentPort, workerData as WorkerStart, {
    performOperation: async (operation) =>
      (await import('../../../src/operations/index.ts')).performOperation(operation, checkpoint),
    checkpoint,
  });
}
