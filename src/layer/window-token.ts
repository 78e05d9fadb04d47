import { SealiftError } from '../errors/index.ts';

/** Windows up to 8 MiB are what every encoder uses by default; a larger one is allowed to one line of the process. */
const FREE_WINDOW_LOG = 23;
const FREE = 0;
const TAKEN = 1;
/** How often a waiting line looks whether it was cancelled. */
const POLL_MS = 100;

/** Memory of the one process-wide token that large zstd windows take; shared by all workers. */
export function createWindowTokenMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4);
}

export interface WindowGate {
  /** Lets a frame with this window through, waiting for the token if it needs it. Throws `LAYER_LIMIT_EXCEEDED`. */
  admit(windowBytes: number): void;
  /** Gives the token back, if this gate has it. */
  release(): void;
}

/** The decoder allocates a window per frame header, so that several large ones at once would break the memory ceiling. */
export function createWindowGate(
  memory: SharedArrayBuffer,
  maxWindowLog: number,
  throwIfCancelled: () => void,
): WindowGate {
  const token = new Int32Array(memory);
  let isHeld = false;
  return {
    admit(windowBytes) {
      if (windowBytes > 2 ** maxWindowLog) {
        throw new SealiftError(
          'LAYER_LIMIT_EXCEEDED',
          `zstd layer: expected a window of at most 2^${maxWindowLog} bytes, got ${windowBytes}`,
          { context: { limit: 'maxZstdWindowLog', expected: 2 ** maxWindowLog, actual: windowBytes } },
        );
      }
      if (windowBytes <= 2 ** FREE_WINDOW_LOG || isHeld) return;
      while (Atomics.compareExchange(token, 0, FREE, TAKEN) !== FREE) {
        throwIfCancelled();
        Atomics.wait(token, 0, TAKEN, POLL_MS);
      }
      isHeld = true;
    },
    release() {
      if (!isHeld) return;
      isHeld = false;
      Atomics.store(token, 0, FREE);
      Atomics.notify(token, 0);
    },
  };
}
