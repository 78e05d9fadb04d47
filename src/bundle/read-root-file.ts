import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { limitExceeded } from '../limits/index.ts';
import { closeFd, errnoOf, O_PATH, openInRoot } from '../platform/index.ts';

function refuse(path: string, expected: string, cause?: unknown): never {
  throw new SealiftError('BUNDLE_USER_INVALID', `rootfs: read ${path}: expected ${expected}`, { cause });
}

function openPath(rootFd: number, path: string): number | undefined {
  try {
    return openInRoot(rootFd, path, O_PATH);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    return refuse(path, `a regular file, got ${errno ?? 'a failure'}`, error);
  }
}

function readBounded(fd: number, path: string, maxBytes: number): string {
  // One byte more than the size, to notice a file that grew meanwhile.
  const room = Buffer.alloc(Math.min(fstatSync(fd).size, maxBytes) + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, room, length, room.length - length, null);
    length += count;
    if (count === 0) return room.toString('utf8', 0, length);
    if (length === room.length) return refuse(path, `at most ${Math.min(length - 1, maxBytes)} bytes, got more`);
  }
}

/**
 * Reads a text file of an attacker-controlled tree; undefined when it does not exist. Links resolve inside the tree.
 * Anything but a regular file is refused without being opened, so that no device or FIFO is touched (CVE-2024-9676,
 * CVE-2026-47262).
 */
export function readRootFile(rootFd: number, path: string, maxBytes: number): string | undefined {
  const pathFd = openPath(rootFd, path);
  if (pathFd === undefined) return undefined;
  try {
    const stat = fstatSync(pathFd);
    if (!stat.isFile()) refuse(path, 'a regular file');
    if (stat.size > maxBytes) {
      const excess = { limit: 'maxUserDatabaseBytes', expected: maxBytes, actual: stat.size } as const;
      throw limitExceeded(`rootfs: read ${path}: bytes`, excess);
    }
    const fd = openSync(`/proc/self/fd/${pathFd}`, constants.O_RDONLY);
    try {
      return readBounded(fd, path, maxBytes);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeFd(pathFd);
  }
}
