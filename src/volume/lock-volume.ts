import { closeSync, constants, openSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { tryFlock } from '../platform/index.ts';
import type { Clock } from './types.ts';

/** A wait for flock(2) itself would block the thread. */
const POLL_MS = 50;

/** A lock that is held until `release`, and by each program that inherits `fd` until it ends, even after this process. */
export interface VolumeLock {
  readonly fd: number;
  release(): void;
}

/** Takes the lock. Throws `VOLUME_STALLED` when another process holds it for `timeoutMs`. */
export async function lockVolume(
  path: string,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<VolumeLock> {
  const deadline = clock.nowMs() + timeoutMs;
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  // Closing releases it here; unlocking would release it for the programs as well.
  const release = () => closeSync(fd);
  while (!tryFlock(fd, 'exclusive')) {
    if (clock.nowMs() >= deadline) {
      release();
      throw new SealiftError(
        'VOLUME_STALLED',
        `image store: expected the program that works on the disk to end within ${timeoutMs} ms, it has not`,
        { context: { limit: 'volumeTimeoutMs', expected: timeoutMs } },
      );
    }
    await clock.sleep(POLL_MS);
  }
  return { fd, release };
}
