import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, openBeneath } from './syscalls.ts';

/** O_TMPFILE is O_DIRECTORY, whose bit differs between architectures (asm/fcntl.h), plus a bit of its own. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
/** What file systems without O_TMPFILE answer, such as overlayfs before Linux 6.1. */
const UNSUPPORTED: ReadonlySet<string | undefined> = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EISDIR', 'EINVAL']);

/**
 * Creates an unnamed file for reading and writing on the file system of `directory`. It disappears when its descriptor
 * is closed, however the process ends. The caller closes it.
 */
export function openUnnamed(directory: string): number {
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch (error) {
    if (!UNSUPPORTED.has(errnoOf(error))) throw error;
  }
  const path = join(directory, unusedName());
  const fd = openSync(path, NEW_FILE, 0o600);
  unlinkSync(path);
  return fd;
}

/**
 * Creates the same file with a descriptor that outlives its worker: Node closes what a thread opened with `openSync`
 * when that thread ends. The caller closes it with `closeFd`.
 */
export function openUnnamedShared(directory: string): number {
  const directoryFd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return openBeneath(directoryFd, '.', O_TMPFILE | constants.O_RDWR);
  } catch (error) {
    if (!UNSUPPORTED.has(errnoOf(error))) throw error;
    return reopenUnnamed(directory, directoryFd);
  } finally {
    closeSync(directoryFd);
  }
}

function reopenUnnamed(directory: string, directoryFd: number): number {
  const name = unusedName();
  const createdFd = openSync(join(directory, name), NEW_FILE, 0o600);
  try {
    return openBeneath(directoryFd, name, constants.O_RDWR);
  } finally {
    unlinkSync(join(directory, name));
    closeSync(createdFd);
  }
}

function unusedName(): string {
  return `.sealift-${randomBytes(8).toString('hex')}`;
}
