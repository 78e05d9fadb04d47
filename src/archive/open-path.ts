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

/** A descriptor, or in words what is there instead of what was expected. */
type Opened = { readonly fd: number } | { readonly got: string };

function describeKind(stats: Stats): string {
  if (stats.isFile()) return 'a regular file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** Opens for reading only what `fits`, which is checked before, so that no device or FIFO is opened. */
function openFitting(open: Open, fits: (stats: Stats) => boolean): Opened {
  const pathFd = open(O_PATH);
  try {
    const stats = fstatSync(pathFd);
    if (!fits(stats)) return { got: describeKind(stats) };
  } finally {
    closeFd(pathFd);
  }
  const fd = open(READ);
  const stats = fstatSync(fd);
  if (fits(stats)) return { fd };
  closeFd(fd);
  return { got: describeKind(stats) };
}

function openAbsolute(path: string, kind: 'directory' | 'file'): Opened {
  const rootFd = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const open: Open = (flags) => openInRoot(rootFd, path, flags);
    return openFitting(open, (stats) => (kind === 'directory' ? stats.isDirectory() : stats.isFile()));
  } catch (error) {
    if (ABSENT.has(errnoOf(error))) return { got: 'none' };
    throw archiveFailed(`open ${path}`, error);
  } finally {
    closeSync(rootFd);
  }
}

/** See `ArchiveOperations`. The path is read from the open descriptor, so that no link can be swapped in between. */
export const openPath: ArchiveOperations['openPath'] = ({ path, kind }) => {
  const opened = openAbsolute(path, kind);
  if ('fd' in opened) return { fd: opened.fd, path: readlinkSync(`/proc/self/fd/${opened.fd}`) };
  const expected = kind === 'directory' ? 'a directory' : 'a regular file';
  const { got: actual } = opened;
  throw new SealiftError('ARCHIVE_NOT_FOUND', `open ${path}: expected ${expected}, got ${actual}`, {
    context: { path, expected, actual },
  });
};

/** See `ArchiveOperations`. Links are followed as long as they stay below the directory. */
export const openInside: ArchiveOperations['openInside'] = ({ fd: directoryFd, path }) => {
  try {
    const opened = openFitting(
      (flags) => openBeneath(directoryFd, path, flags),
      (stats) => stats.isFile(),
    );
    if ('got' in opened) throw invalid(path, `a regular file, got ${opened.got}`);
    const { fd } = opened;
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
