import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import { MemberTable } from './member-table.ts';
import type { ArchivePorts, FileShelf } from './types.ts';

/** A bound on a document that is held in memory whole, and the setting that it comes from. */
export interface DocumentBound {
  readonly limit: 'maxManifestBytes' | 'maxConfigBytes';
  readonly maxBytes: number;
}

/** The files of a directory. Each is opened once and stays open. */
export function createDirectoryShelf(fd: number, { runOperation }: ArchivePorts, fds: number[]): FileShelf {
  const opened = new Map<string, Promise<FileRange | undefined>>();
  const open = async (path: string): Promise<FileRange | undefined> => {
    const file = await runOperation('openInside', { fd, path });
    if (file !== undefined) fds.push(file.fd);
    return file;
  };
  return {
    find(path) {
      const known = opened.get(path) ?? open(path);
      opened.set(path, known);
      return known;
    },
  };
}

/** The files of a tar, which is listed when the first one is asked for. */
export function createTarShelf(fd: number, ports: ArchivePorts, fds: number[]): FileShelf {
  const { runOperation, limits, scratchDir: directory } = ports;
  let listed: Promise<{ readonly fd: number; readonly table: MemberTable }> | undefined;
  const list = async () => {
    const file = await runOperation('openTar', { fd, directory, limits });
    if (file.fd !== fd) fds.push(file.fd);
    return { fd: file.fd, table: new MemberTable(await runOperation('listMembers', { file, limits })) };
  };
  return {
    async find(path) {
      listed ??= list();
      const archive = await listed;
      const member = archive.table.findFile(path);
      return member === undefined ? undefined : { fd: archive.fd, offset: member.offset, length: member.size };
    },
  };
}

/** A file that must be there. Throws `ARCHIVE_MEMBER_MISSING`. */
export async function findExisting(shelf: FileShelf, path: string): Promise<FileRange> {
  const file = await shelf.find(path);
  if (file !== undefined) return file;
  throw new SealiftError('ARCHIVE_MEMBER_MISSING', `${path}: expected it, but it is not there`, { context: { path } });
}

/** A small file, whole. Throws `ARCHIVE_MEMBER_MISSING`, `ARCHIVE_LIMIT_EXCEEDED`. */
export async function readDocument(
  shelf: FileShelf,
  path: string,
  { limit, maxBytes }: DocumentBound,
  { runOperation }: Pick<ArchivePorts, 'runOperation'>,
): Promise<Uint8Array> {
  const file = await findExisting(shelf, path);
  if (file.length <= maxBytes) return runOperation('readWhole', { file });
  const context = { limit, expected: maxBytes, actual: file.length };
  throw new SealiftError('ARCHIVE_LIMIT_EXCEEDED', `${path}: expected at most ${maxBytes} bytes, got ${file.length}`, {
    context,
  });
}
