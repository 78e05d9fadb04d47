import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { tryFlock } from '../platform/index.ts';
import { storeFailed } from './store-failed.ts';

type LockMode = 'shared' | 'exclusive';

/** A flock(2) that is held until released, at the latest by the end of the process. */
export interface HeldLock {
  /** Turns it into a lock of another kind; false, and nothing is held, when somebody else came in between. */
  tryConvert(mode: LockMode): boolean;
  /** `remove` takes the file away too; only for exclusive locks. Does nothing the second time. */
  release(options?: { readonly remove: boolean }): void;
}

/** Takes the lock at `path` without waiting; undefined when somebody else holds it. */
export function tryLockFile(path: string, mode: LockMode): HeldLock | undefined {
  for (;;) {
    const fd = openLock(path);
    if (!tryFlock(fd, mode)) {
      closeSync(fd);
      return undefined;
    }
    if (isStillAt(path, fd)) return heldLock(path, fd);
    // Its last holder removed the file between our open and our lock; this lock would exclude nobody.
    closeSync(fd);
  }
}

function openLock(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw storeFailed(`open lock ${path}`, error);
  }
}

function isStillAt(path: string, fd: number): boolean {
  const held = fstatSync(fd, { bigint: true });
  const named = statSync(path, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === held.ino && named.dev === held.dev;
}

function heldLock(path: string, fd: number): HeldLock {
  let isHeld = true;
  return {
    tryConvert: (mode) => tryFlock(fd, mode),
    release: (options) => {
      if (!isHeld) return;
      isHeld = false;
      // While it is held: afterwards the name may already be somebody else's lock.
      if (options?.remove) rmSync(path, { force: true });
      closeSync(fd);
    },
  };
}
