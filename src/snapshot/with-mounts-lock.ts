import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { tryFlock } from '../platform/index.ts';

/** A mount takes milliseconds; a holder that needs longer waits for a disk that has stopped responding. */
const TIMEOUT_MS = 60_000;
const POLL_MS = 5;

/**
 * Runs `change` while no other process or thread mounts or unmounts layers below `mountsDir`. The directory itself is
 * locked, and created when absent. Blocks the thread. Throws `STORE_LOCK_TIMEOUT` and `STORE_IO_FAILED`.
 */
export function withMountsLock<Result>(mountsDir: string, change: () => Result): Result {
  const fd = openMountsDir(mountsDir);
  try {
    waitForLock(fd, mountsDir);
    return change();
  } finally {
    closeSync(fd);
  }
}

function openMountsDir(mountsDir: string): number {
  try {
    mkdirSync(mountsDir, { recursive: true, mode: 0o700 });
    return openSync(mountsDir, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw new SealiftError('STORE_IO_FAILED', `open ${mountsDir}: ${String(error)}`, {
      cause: error,
      context: { path: mountsDir },
    });
  }
}

function waitForLock(fd: number, mountsDir: string): void {
  const bell = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; !tryFlock(fd, 'exclusive'); waitedMs += POLL_MS) {
    if (waitedMs >= TIMEOUT_MS) {
      throw new SealiftError(
        'STORE_LOCK_TIMEOUT',
        `lock ${mountsDir}: expected it to be free within ${TIMEOUT_MS} ms, but another process still holds it`,
        { context: { path: mountsDir, expected: TIMEOUT_MS } },
      );
    }
    Atomics.wait(bell, 0, 0, POLL_MS);
  }
}
