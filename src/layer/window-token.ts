import { SealiftError } from '../errors/index.ts';

/** Windows up to 8 MiB are what every encoder uses by default; a larger one is allowed to one line of the process. */
const FREE_WINDOW_LOG = 23;
const NOBODY = 0;
/** How often a waiting line looks whether it was cancelled. */
const POLL_MS = 100;

/** Memory of the one process-wide token that large zstd windows take; shared by all workers. Holds its owner's id. */
export function createWindowTokenMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4);
}

/** Takes the token from a worker, if it has it: its line has ended, or its thread has. */
export function freeWindowToken(memory: SharedArrayBuffer, workerId: number): void {
  const token = new Int32Array(memory);
  if (Atomics.compareExchange(token, 0, workerId, NOBODY) === workerId) Atomics.notify(token, 0);
}

export interface WindowGate {
  /** Lets a frame with this window through, waiting for the token if it needs it. Throws `LAYER_LIMIT_EXCEEDED`. */
  admit(windowBytes: number): void;
  /** Gives the token back, if this gate has it. */
  release(): void;
}

export interface WindowGateOptions {
  readonly memory: SharedArrayBuffer;
  /** Positive; one line at a time runs on a worker. */
  readonly workerId: number;
  readonly maxWindowLog: number;
  /** Asked while waiting: the thread is blocked and can be told in no other way. */
  readonly throwIfCancelled: () => void;
}

/** The decoder allocates a window per frame header, so that several large ones at once would break the memory ceiling. */
export function createWindowGate({ memory, workerId, maxWindowLog, throwIfCancelled }: WindowGateOptions): WindowGate {
  const token = new Int32Array(memory);
  return {
    admit(windowBytes) {
      if (windowBytes > 2 ** maxWindowLog) {
        throw new SealiftError(
          'LAYER_LIMIT_EXCEEDED',
          `zstd layer: expected a window of at most 2^${maxWindowLog} bytes, got ${windowBytes}`,
          { context: { limit: 'maxZstdWindowLog', expected: 2 ** maxWindowLog, actual: windowBytes } },
        );
      }
      if (windowBytes <= 2 ** FREE_WINDOW_LOG) return;
      for (;;) {
        const owner = Atomics.compareExchange(token, 0, NOBODY, workerId);
        if (owner === NOBODY || owner === workerId) return;
        throwIfCancelled();
        Atomics.wait(token, 0, owner, POLL_MS);
      }
    },
    release: () => freeWindowToken(memory, workerId),
  };
}
