import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import type { RefusingLimit } from '../limits/index.ts';
import { MemberTable } from './member-table.ts';
import type { ArchivePorts, FileTree } from './types.ts';

/** The largest document that is held in memory whole, and the setting that says so. */
export interface DocumentBound {
  readonly limit: RefusingLimit;
  readonly maxBytes: number;
}

/**
 * The files of the open directory `fd`. Each is opened once, stays open, and is added to `fds`, which the caller
 * closes.
 */
export function createDirectoryTree(fd: number, { runOperation }: ArchivePorts, fds: number[]): FileTree {
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

/**
 * The members of the open tar `fd`, which is listed when the first one is asked for. The temporary file of a compressed
 * tar is added to `fds`, which the caller closes.
 */
export function createTarTree(fd: number, ports: ArchivePorts, fds: number[]): FileTree {
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

/** Returns a file that must exist. Throws `ARCHIVE_MEMBER_MISSING`. */
export async function findExisting(files: FileTree, path: string): Promise<FileRange> {
  const file = await files.find(path);
  if (file !== undefined) return file;
  throw new SealiftError('ARCHIVE_MEMBER_MISSING', `${path}: expected this file, got none`, { context: { path } });
}

/** Reads a small file whole. Throws `ARCHIVE_MEMBER_MISSING`, `ARCHIVE_LIMIT_EXCEEDED`. */
export async function readDocument(
  files: FileTree,
  { path, bound }: { readonly path: string; readonly bound: DocumentBound },
  { runOperation }: Pick<ArchivePorts, 'runOperation'>,
): Promise<Uint8Array> {
  const { limit, maxBytes } = bound;
  const file = await findExisting(files, path);
  if (file.length <= maxBytes) return runOperation('readWhole', { file });
  const context = { limit, expected: maxBytes, actual: file.length };
  throw new SealiftError('ARCHIVE_LIMIT_EXCEEDED', `${path}: expected at most ${maxBytes} bytes, got ${file.length}`, {
    context,
  });
}
