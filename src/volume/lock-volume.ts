import { closeSync, constants, openSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { tryFlock } from '../platform/index.ts';
import type { Clock } from './types.ts';

/** flock(2) can only be waited for by blocking the thread. */
const POLL_MS = 50;

/** Held until `release`, and by each program that was given `fd` until it ends, even when we do not live to see it. */
export interface VolumeLock {
  readonly fd: number;
  release(): void;
}

/** Throws `VOLUME_STALLED` when somebody else has held it for `timeoutMs`. */
export async function lockVolume(
  path: string,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<VolumeLock> {
  const deadline = clock.nowMs() + timeoutMs;
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  // Closing gives it up; unlocking would take it from the programs as well.
  const release = () => closeSync(fd);
  while (!tryFlock(fd, 'exclusive')) {
    if (clock.nowMs() >= deadline) {
      release();
      throw new SealiftError(
        'VOLUME_STALLED',
        `image store: expected the program that works on it to end within ${timeoutMs} ms, it has not`,
        { context: { limit: 'volumeTimeoutMs', expected: timeoutMs } },
      );
    }
    await clock.sleep(POLL_MS);
  }
  return { fd, release };
}
