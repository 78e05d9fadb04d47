import { closeSync, constants, openSync } from 'node:fs';
import { changeDirectory, leaveSharedFileSystem } from './syscalls.ts';

/**
 * Runs `work` with `directory` as the working directory of this thread alone, which has its own from the first time on
 * (CLONE_FS of unshare(2)). Synchronous work only: what is relative must be over when this returns.
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
