import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryFlock } from '../platform/index.ts';
import { storeFailed } from './store-failed.ts';

type LockMode = 'shared' | 'exclusive';

/** A flock(2) that is held until it is released or the process ends. */
export interface HeldLock {
  /** Changes the mode. Returns false, with the lock lost, when another process took a conflicting lock meanwhile. */
  tryConvert(mode: LockMode): boolean;
  /** `remove` also removes the file; only for exclusive locks. Idempotent. */
  release(options?: { readonly remove: boolean }): void;
}

/** Takes the lock at `path` without waiting; undefined while another holder has a conflicting lock. */
export function tryLockFile(path: string, mode: LockMode): HeldLock | undefined {
  for (;;) {
    const fd = openLock(path);
    if (!tryFlock(fd, mode)) {
      closeSync(fd);
      return undefined;
    }
    if (isStillAt(path, fd)) return heldLock(path, fd);
    // The last holder removed the file between our open and our lock, so this lock would exclude no other process.
    closeSync(fd);
  }
}

function openLock(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw storeFailed(`open lock ${path}`, error, { fileSystem: 'state', directory: dirname(path) });
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
      // The file is removed while the lock is held: afterwards the name may already be another process's lock.
      if (options?.remove) rmSync(path, { force: true });
      closeSync(fd);
    },
  };
}
