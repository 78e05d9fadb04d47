import { closeSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { attempt, fsetxattr, lackingResource, openUnnamed, type Usability } from '../platform/index.ts';
import type { DirectoryFacts } from './types.ts';

const VALUE = Buffer.from('y');

/** See {@link DoctorOperations.examineDirectory}. Writes to a file without a name, so that nothing is left behind. */
export function examineDirectory({ path }: { readonly path: string }): DirectoryFacts {
  const { examined, obstacle } = nearestDirectory(path);
  const { bavail, blocks, bsize, files, ffree, type } = statfsSync(examined);
  const facts = {
    ...{ path, examined, freeBytes: bavail * bsize, sizeBytes: blocks * bsize, fileSystem: type },
    freeInodes: files === 0 ? undefined : ffree,
  };
  if (obstacle !== undefined) return { ...facts, ...everything({ unusable: `${obstacle} is no directory` }) };
  const { value: fd, usability, errno } = attempt(() => openUnnamed(examined));
  if (fd === undefined) return { ...facts, ...everything(usability), ...lackOf(errno, examined) };
  try {
    const written = attempt(() => writeSync(fd, VALUE));
    return {
      ...facts,
      writable: written.usability,
      ...lackOf(written.errno, examined),
      userXattrs: attempt(() => fsetxattr(fd, 'user.sealift', VALUE)).usability,
      trustedXattrs: attempt(() => fsetxattr(fd, 'trusted.sealift', VALUE)).usability,
    };
  } finally {
    closeSync(fd);
  }
}

function lackOf(errno: string | undefined, directory: string): Pick<DirectoryFacts, 'lacks'> {
  const shortage = lackingResource(errno, directory);
  return shortage === undefined ? {} : { lacks: shortage.resource };
}

function everything(usability: Usability): Pick<DirectoryFacts, 'writable' | 'userXattrs' | 'trustedXattrs'> {
  return { writable: usability, userXattrs: usability, trustedXattrs: usability };
}

interface Nearest {
  readonly examined: string;
  /** The file that keeps the rest of the path from being made. */
  readonly obstacle?: string;
}

function nearestDirectory(path: string): Nearest {
  const parent = dirname(path);
  if (parent === path) return { examined: path };
  const above = nearestDirectory(parent);
  if (above.examined !== parent) return above;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return above;
  return found.isDirectory() ? { examined: path } : { examined: parent, obstacle: path };
}
