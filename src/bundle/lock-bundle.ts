import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { cancellation } from '../errors/index.ts';
import { type Clock, errnoOf, tryFlock } from '../platform/index.ts';
import { identityAt, identityOf, mountedAt, ROOTFS_NAME, refuseBundle } from './bundle-directory.ts';
import type { BundleLock } from './types.ts';

/** Locks are polled, because flock(2) can only wait by blocking the thread. */
const POLL_MS = 50;

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

export interface LockWait {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the lock of a bundle directory: flock(2) on the directory itself, so that pulls into different stores exclude
 * each other, too. While another pull works on the bundle, this throws `BUNDLE_INVALID` at once; while another call only
 * cleans up or unmounts, this waits. Returns undefined when there is no directory at the path, or another one than was
 * locked. Throws `PULL_CANCELLED`.
 */
export async function lockBundle(directory: string, wait: LockWait): Promise<BundleLock | undefined> {
  const { clock, timeoutMs, signal } = wait;
  const deadline = clock.nowMs() + timeoutMs;
  for (;;) {
    if (signal?.aborted) throw cancellation(signal, `bundle ${directory}: the pull was cancelled`);
    const fd = openDirectory(directory);
    if (fd === undefined) return undefined;
    if (tryFlock(fd, 'exclusive')) return heldLock(directory, fd, wait);
    closeSync(fd);
    if (isAtWork(directory)) refuseBundle(directory, 'expected no other pull to work on it, but one does');
    if (clock.nowMs() >= deadline) {
      refuseBundle(directory, `expected its last user to clean it up within ${timeoutMs} ms, but it still does`);
    }
    await clock.sleep(POLL_MS, signal);
  }
}

function heldLock(directory: string, fd: number, { clock, signal }: LockWait): BundleLock | undefined {
  const identity = identityOf(fstatSync(fd, { bigint: true }));
  if (identityAt(directory) !== identity) {
    // Its last user removed it between our open and our lock.
    closeSync(fd);
    return undefined;
  }
  let workFd: number | undefined;
  let rootfsFd: number | undefined;
  const beginCleanUp = (): void => {
    if (workFd !== undefined) closeSync(workFd);
    workFd = undefined;
  };
  let isHeld = true;
  return {
    identity,
    beginWork: async (rootfs) => {
      rootfsFd = openDirectory(rootfs) ?? refuseBundle(directory, 'rootfs: expected a directory, got something else');
      // A descriptor of its own, because the lock is released before the rootfs is closed.
      workFd = openDirectory(rootfs) ?? refuseBundle(directory, 'rootfs: expected a directory, got something else');
      // Only another pull that looks whether this one works can hold this lock, for the moment of its look.
      while (!tryFlock(workFd, 'exclusive')) {
        if (signal?.aborted) throw cancellation(signal, `bundle ${directory}: the pull was cancelled`);
        await clock.sleep(1, signal);
      }
      return rootfsFd;
    },
    beginCleanUp,
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      beginCleanUp();
      if (rootfsFd !== undefined) closeSync(rootfsFd);
      closeSync(fd);
    },
  };
}

/**
 * True while a pull fetches layers into the bundle, and has locked its rootfs. A mounted rootfs is not opened, because
 * its disk may hang: what is done while it is mounted, writing config.json or unmounting it, takes no time.
 */
function isAtWork(directory: string): boolean {
  const rootfs = join(directory, ROOTFS_NAME);
  if (mountedAt(rootfs).length > 0) return false;
  const fd = openDirectory(rootfs);
  if (fd === undefined) return false;
  try {
    return !tryFlock(fd, 'shared');
  } finally {
    closeSync(fd);
  }
}

/** Undefined: there is no directory at the path. */
function openDirectory(path: string): number | undefined {
  try {
    return openSync(path, DIRECTORY);
  } catch (error) {
    if (ABSENT.has(errnoOf(error))) return undefined;
    return refuseBundle(path, 'expected to open it, got an error', { cause: error });
  }
}
