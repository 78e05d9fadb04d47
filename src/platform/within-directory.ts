import { closeSync, constants, openSync } from 'node:fs';
import { changeDirectory, leaveSharedFileSystem } from './syscalls.ts';

/**
 * Runs `work` with `directory` as the working directory of this thread alone; from the first call on the thread has its
 * own (CLONE_FS of unshare(2)). `work` is synchronous: relative paths are valid only until this returns.
 */
export function withinDirectory<Result>(directory: string, work: () => Result): Result {
  leaveSharedFileSystem();
  const before = openSync('.', constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    changeDirectory(directory);
    try {
      return work();
    } finally {
      changeDirectory(before);
    }
  } finally {
    closeSync(before);
  }
}
