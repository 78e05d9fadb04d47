import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { closeFd, errnoOf, O_PATH, openBeneath, openInRoot } from '../platform/index.ts';
import { archiveFailed } from './archive-failed.ts';
import type { ArchiveOperations } from './types.ts';

/** O_NONBLOCK, because a FIFO that replaced a file must not block the thread. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;

const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);
const LEAVES: ReadonlySet<string | undefined> = new Set(['EXDEV', 'ELOOP']);

type Open = (flags: number) => number;

/** Opens for reading only what `fits`, which is checked before, so that no device or FIFO is opened. Else undefined. */
function openFitting(open: Open, fits: (stats: Stats) => boolean): number | undefined {
  const pathFd = open(O_PATH);
  try {
    if (!fits(fstatSync(pathFd))) return undefined;
  } finally {
    closeFd(pathFd);
  }
  const fd = open(READ);
  if (fits(fstatSync(fd))) return fd;
  closeFd(fd);
  return undefined;
}

function openAbsolute(path: string, kind: 'directory' | 'file'): number | undefined {
  const rootFd = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const open: Open = (flags) => openInRoot(rootFd, path, flags);
    return openFitting(open, (stats) => (kind === 'directory' ? stats.isDirectory() : stats.isFile()));
  } catch (error) {
    if (ABSENT.has(errnoOf(error))) return undefined;
    throw archiveFailed(`open ${path}`, error);
  } finally {
    closeSync(rootFd);
  }
}

/** See `ArchiveOperations`. The path is read from the open descriptor, so that no link can be swapped in between. */
export const openPath: ArchiveOperations['openPath'] = ({ path, kind }) => {
  const fd = openAbsolute(path, kind);
  if (fd !== undefined) return { fd, path: readlinkSync(`/proc/self/fd/${fd}`) };
  const expected = kind === 'directory' ? 'a directory' : 'a regular file';
  throw new SealiftError('ARCHIVE_NOT_FOUND', `open ${path}: expected ${expected}, got none`, {
    context: { path, expected },
  });
};

/** See `ArchiveOperations`. Links are followed as long as they stay below the directory. */
export const openInside: ArchiveOperations['openInside'] = ({ fd: directoryFd, path }) => {
  try {
    const fd = openFitting(
      (flags) => openBeneath(directoryFd, path, flags),
      (stats) => stats.isFile(),
    );
    if (fd === undefined) throw invalid(path, 'a regular file');
    return { fd, offset: 0, length: fstatSync(fd).size };
  } catch (error) {
    if (ABSENT.has(errnoOf(error))) return undefined;
    if (LEAVES.has(errnoOf(error))) throw invalid(path, 'a file inside the directory, got a link out of it');
    throw archiveFailed(`open ${path}`, error);
  }
};

function invalid(path: string, expected: string): SealiftError {
  return new SealiftError('ARCHIVE_INVALID', `${path}: expected ${expected}`, { context: { path } });
}
