import { closeSync, constants, openSync } from 'node:fs';
import { O_PATH } from './syscall-flags.ts';
import type { SystemPath } from './syscalls.ts';

/** PATH_MAX without its NUL. */
const MAX_PATH_BYTES = 4095;
const OPEN_DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const SLASH = 0x2f;

/**
 * Calls `use` with a path that leads to the same node as the absolute `path`, and that is short enough for a system call:
 * of a path longer than PATH_MAX, the directories above the node are opened first, and they must be real directories. The
 * path that `use` gets is valid only until `use` returns.
 */
export function withReachablePath<Result>(path: SystemPath, use: (reachable: SystemPath) => Result): Result {
  // A character has at most three bytes for each unit of the string.
  if (path.length * 3 <= MAX_PATH_BYTES || Buffer.byteLength(path) <= MAX_PATH_BYTES) return use(path);
  const bytes = Buffer.from(path);
  const end = bytes.lastIndexOf(SLASH, MAX_PATH_BYTES);
  if (end <= 0) return use(path);
  const fd = openSync(bytes.subarray(0, end), OPEN_DIRECTORY);
  try {
    return withReachablePath(Buffer.concat([Buffer.from(`/proc/self/fd/${fd}`), bytes.subarray(end)]), use);
  } finally {
    closeSync(fd);
  }
}
