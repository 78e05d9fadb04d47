import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerCall } from '../../../src/compose/operations.ts';
import type { WorkerStart } from '../../../src/workers/index.ts';
import { serveWorker } from '../../../src/workers/serve-worker.ts';
import { createCheckpoint } from '../programs/checkpoint-folder.ts';

/** The worker of compose/worker.ts, but for its checkpoints. */
if (parentPort !== null) {
  const start: WorkerStart = workerData;
  const checkpoint = createCheckpoint(process.env);
  serveWorker<WorkerCall>(parentPort, start, {
    performOperation: async (call) =>
      (await import('../../../src/compose/operations.ts')).performOperation(call, checkpoint),
    checkpoint,
  });
}
