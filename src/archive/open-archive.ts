import { SealiftError } from '../errors/index.ts';
import type { FileReference } from '../oci/index.ts';
import { DockerSupply } from './docker-supply.ts';
import { createDirectoryTree, createTarTree } from './file-tree.ts';
import { LayoutSupply } from './layout-supply.ts';
import type { ArchivePorts, OpenArchive } from './types.ts';

/**
 * Opens the directory or file that a reference names. Everything is read through the open descriptor, so later changes
 * to the path have no effect; contents are first read when a document is asked for. The caller closes the result.
 * Throws `ARCHIVE_*`. ADR 0020 says why images in files are read like this, docs/adr/0020-images-in-files.md.
 */
export async function openArchive(unresolved: FileReference, ports: ArchivePorts): Promise<OpenArchive> {
  const kind = unresolved.transport === 'oci' ? 'directory' : 'file';
  const { fd, path } = await ports.runOperation('openPath', { path: unresolved.path, kind });
  const fds = [fd];
  const close = () => ports.runOperation('closeAll', { fds: fds.splice(0) });
  if (path.includes(':')) {
    await close();
    throw new SealiftError('REFERENCE_INVALID', `path ${path}: expected a path without a colon`, { context: { path } });
  }
  const reference = { ...unresolved, path };
  const files = kind === 'directory' ? createDirectoryTree(fd, ports, fds) : createTarTree(fd, ports, fds);
  const supply =
    reference.transport === 'docker-archive'
      ? new DockerSupply(reference, files, ports)
      : new LayoutSupply(reference, files, ports);
  return { reference, supply, close };
}
