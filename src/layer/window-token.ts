import { SealiftError } from '../errors/index.ts';

/**
 * Windows up to 8 MiB, which every encoder uses by default, need no token. A larger one is allowed to one line at a
 * time.
 */
const FREE_WINDOW_LOG = 23;
const NO_OWNER = 0;
/** How often a waiting line checks whether it was cancelled. */
const POLL_MS = 100;

/**
 * Memory of the process's one token for large zstd windows. All workers share it; it holds the id of the token's
 * owner.
 */
export function createWindowTokenMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4);
}

/** Takes the token from a worker whose line or thread has ended. Does nothing if the worker does not have it. */
export function freeWindowToken(memory: SharedArrayBuffer, workerId: number): void {
  const token = new Int32Array(memory);
  if (Atomics.compareExchange(token, 0, workerId, NO_OWNER) === workerId) Atomics.notify(token, 0);
}

export interface WindowGate {
  /**
   * Waits for the token if a frame with this window needs it. Throws `LAYER_LIMIT_EXCEEDED` for a window over the
   * limit.
   */
  admit(windowBytes: number): void;
  /** Gives the token back if this gate took it; the token of another line of the same worker stays with that line. */
  release(): void;
}

export interface WindowGateOptions {
  readonly memory: SharedArrayBuffer;
  /**
   * Positive. A worker has a gate for each line, and several lines when requests are open ahead; one of them
   * decompresses at a time.
   */
  readonly workerId: number;
  readonly maxWindowLog: number;
  /** Called while waiting, when the thread is blocked and cannot receive a message. */
  readonly throwIfCancelled: () => void;
}

/**
 * The decoder allocates the window that a frame header asks for, so several large ones at once would exceed the
 * memory.
 */
export function createWindowGate({ memory, workerId, maxWindowLog, throwIfCancelled }: WindowGateOptions): WindowGate {
  const token = new Int32Array(memory);
  let isOwner = false;
  return {
    admit(windowBytes) {
      if (windowBytes > 2 ** maxWindowLog) {
        throw new SealiftError(
          'LAYER_LIMIT_EXCEEDED',
          `zstd layer: expected a window of at most 2^${maxWindowLog} bytes, got ${windowBytes}`,
          { context: { limit: 'maxZstdWindowLog', expected: 2 ** maxWindowLog, actual: windowBytes } },
        );
      }
      if (isOwner || windowBytes <= 2 ** FREE_WINDOW_LOG) return;
      for (;;) {
        const owner = Atomics.compareExchange(token, 0, NO_OWNER, workerId);
        isOwner = owner === NO_OWNER;
        if (isOwner) return;
        assertOtherWorker(owner, workerId);
        throwIfCancelled();
        Atomics.wait(token, 0, owner, POLL_MS);
      }
    },
    release() {
      if (isOwner) freeWindowToken(memory, workerId);
      isOwner = false;
    },
  };
}

/** A line that waited for another line of its own thread would wait forever. */
function assertOtherWorker(owner: number, workerId: number): void {
  if (owner !== workerId) return;
  throw new SealiftError(
    'INTERNAL',
    'zstd layer: expected the line before to have ended, but it still has the token for large windows',
  );
}
