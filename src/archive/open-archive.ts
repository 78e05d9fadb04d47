import { SealiftError } from '../errors/index.ts';
import type { FileReference } from '../oci/index.ts';
import { DockerSupply } from './docker-supply.ts';
import { createDirectoryShelf, createTarShelf } from './file-tree.ts';
import { LayoutSupply } from './layout-supply.ts';
import type { ArchivePorts, OpenArchive } from './types.ts';

/**
 * Opens what a reference names. Nothing but the path is looked at before the first document is asked for; whatever goes
 * on with the path meanwhile, it is the opened thing that is read. The caller closes it. Throws `ARCHIVE_*`.
 */
export async function openArchive(unresolved: FileReference, ports: ArchivePorts): Promise<OpenArchive> {
  const kind = unresolved.transport === 'oci' ? 'directory' : 'file';
  const { fd, path } = await ports.runOperation('openPlace', { path: unresolved.path, kind });
  const fds = [fd];
  const close = () => ports.runOperation('closeAll', { fds: fds.splice(0) });
  if (path.includes(':')) {
    await close();
    throw new SealiftError('REFERENCE_INVALID', `path ${path}: expected one without a colon`, { context: { path } });
  }
  const reference = { ...unresolved, path };
  const shelf = kind === 'directory' ? createDirectoryShelf(fd, ports, fds) : createTarShelf(fd, ports, fds);
  const supply =
    reference.transport === 'docker-archive'
      ? new DockerSupply(reference, shelf, ports)
      : new LayoutSupply(reference, shelf, ports);
  return { reference, supply, close };
}
