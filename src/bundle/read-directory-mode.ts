import { constants, fstatSync } from 'node:fs';
import { closeFd, errnoOf, O_PATH, openInRoot } from '../platform/index.ts';
import type { DirectoryMode } from './types.ts';

/**
 * Returns owner and permissions of a directory in an attacker-controlled tree; undefined if the path leads to none.
 * Links resolve inside the tree.
 */
export function readDirectoryMode(rootFd: number, path: string): DirectoryMode | undefined {
  const fd = openDirectory(rootFd, path);
  if (fd === undefined) return undefined;
  try {
    const { uid, gid, mode } = fstatSync(fd);
    return { uid, gid, mode: mode & 0o7777 };
  } finally {
    closeFd(fd);
  }
}

function openDirectory(rootFd: number, path: string): number | undefined {
  try {
    return openInRoot(rootFd, path, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    // The runtime makes the directory, or fails to, when it mounts something there.
    return undefined;
  }
}
