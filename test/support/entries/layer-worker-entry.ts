import { closeSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { performRoomOperation, type RequestsOf, type RoomOperation } from '../../../src/operations/index.ts';
import type { WorkerStart } from '../../../src/workers/index.ts';
import { serveWorker } from '../../../src/workers/serve-worker.ts';

/** The operations of this worker. Each returns its request. */
export interface TestOperations {
  echo(value: unknown): unknown;
  /** A FIFO without a writer holds the thread in the kernel, as a disk does that has stopped answering. */
  open(request: { readonly open: string }): { readonly open: string };
  /** Keeps the processor busy without a system call. */
  compute(request: { readonly ms: number }): { readonly ms: number };
}

type TestCall = RoomOperation<{ readonly test: RequestsOf<TestOperations> }>;

/**
 * A layer worker with a fault, named by SEALIFT_TEST_FAULT: `slow=NAME` sleeps half a second at the checkpoint NAME,
 * `exit=NAME` ends the thread there, `throw=NAME` fails with an error that is not expected there.
 */
const fault = process.env['SEALIFT_TEST_FAULT'];
const clock = new Int32Array(new SharedArrayBuffer(4));

function checkpoint(name: string): void {
  if (fault === `slow=${name}`) Atomics.wait(clock, 0, 0, 500);
  if (fault === `exit=${name}`) process.exit(7);
  if (fault === `throw=${name}`) throw new TypeError('unforeseen');
}

const OPERATIONS: TestOperations = {
  echo: (value) => value,
  open: (request) => {
    closeSync(openSync(request.open, 'r'));
    return request;
  },
  compute: (request) => {
    for (const end = performance.now() + request.ms; performance.now() < end; );
    return request;
  },
};

if (parentPort !== null) {
  const start: WorkerStart = workerData;
  serveWorker<TestCall>(parentPort, start, {
    performOperation: (call) => performRoomOperation({ test: () => OPERATIONS }, call),
    checkpoint,
  });
}
