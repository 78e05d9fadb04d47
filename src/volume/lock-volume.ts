import { closeSync, constants, openSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { type Clock, tryFlock } from '../platform/index.ts';

/** The lock is polled, because flock(2) can only wait by blocking the thread. */
const POLL_MS = 50;

/** Held until `release`, and by each program that inherited `fd` until it ends, even if this process ends before. */
export interface VolumeLock {
  readonly fd: number;
  release(): void;
}

/** True while the lock is held, also by a program that a preparation has given up. */
export function isVolumeLocked(path: string): boolean {
  const fd = openLock(path);
  try {
    return !tryFlock(fd, 'exclusive');
  } finally {
    closeSync(fd);
  }
}

/** Throws `VOLUME_STALLED` when another process holds the lock for longer than `timeoutMs`. */
export async function lockVolume(
  path: string,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<VolumeLock> {
  const deadline = clock.nowMs() + timeoutMs;
  const fd = openLock(path);
  // Closing releases only this holder; LOCK_UN would release the lock of the programs as well.
  const release = () => closeSync(fd);
  while (!tryFlock(fd, 'exclusive')) {
    if (clock.nowMs() >= deadline) {
      release();
      throw new SealiftError(
        'VOLUME_STALLED',
        `lock ${path}: expected the program that works on its disk to end within ${timeoutMs} ms, but it still runs`,
        { context: { limit: 'volumeTimeoutMs', expected: timeoutMs } },
      );
    }
    await clock.sleep(POLL_MS);
  }
  return { fd, release };
}

function openLock(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}
