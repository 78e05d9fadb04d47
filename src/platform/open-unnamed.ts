import { randomBytes } from 'node:crypto';
import { constants, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from './syscalls.ts';

/** O_TMPFILE holds O_DIRECTORY, whose bit differs between architectures (asm/fcntl.h), and a bit of its own. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
/** File systems without O_TMPFILE, such as overlayfs before Linux 6.1. */
const WITHOUT: ReadonlySet<string | undefined> = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EISDIR', 'EINVAL']);

/**
 * A new file for reading and writing on the file system of `directory`, without a name: it is gone when the descriptor
 * is closed, however the process ends. The caller closes it.
 */
export function openUnnamed(directory: string): number {
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch (error) {
    if (!WITHOUT.has(errnoOf(error))) throw error;
  }
  const path = join(directory, `.sealift-${randomBytes(8).toString('hex')}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  unlinkSync(path);
  return fd;
}
