import { closeSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerStart } from '../../../src/workers/messages.ts';
import { serveWorker } from '../../../src/workers/serve-worker.ts';

/**
 * A layer worker with a fault, named by SEALIFT_TEST_FAULT: `slow=NAME` sleeps half a second at the checkpoint NAME,
 * `exit=NAME` ends the thread there, `throw=NAME` fails with an error that nobody foresaw.
 */
const fault = process.env['SEALIFT_TEST_FAULT'];
const clock = new Int32Array(new SharedArrayBuffer(4));

function checkpoint(name: string): void {
  if (fault === `slow=${name}`) Atomics.wait(clock, 0, 0, 500);
  if (fault === `exit=${name}`) process.exit(7);
  if (fault === `throw=${name}`) throw new TypeError('unforeseen');
}

/** A FIFO without a writer holds the thread in the kernel, as a disk does that has stopped answering. */
function isOpening(operation: unknown): operation is { readonly open: string } {
  return typeof operation === 'object' && operation !== null && 'open' in operation;
}

if (parentPort !== null) {
  const performOperation = async (operation: unknown): Promise<unknown> => {
    if (isOpening(operation)) closeSync(openSync(operation.open, 'r'));
    return operation;
  };
  serveWorker(parentPort, workerData as WorkerStart, { performOperation, checkpoint });
}
