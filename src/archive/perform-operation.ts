import { assertNever } from '../errors/index.ts';
import { closeFd } from '../platform/index.ts';
import { examineLayer } from './examine-layer.ts';
import { listMembers } from './list-members.ts';
import { openInside, openPath } from './open-path.ts';
import { openTar } from './open-tar.ts';
import { readRange } from './read-range.ts';
import type { ArchiveOperation, ArchiveOperations } from './types.ts';

/** Performs an operation in a worker, for `RunArchiveOperation`. It may block on the disk and throws `SealiftError`. */
export function performArchiveOperation(
  operation: ArchiveOperation,
): ReturnType<ArchiveOperations[keyof ArchiveOperations]> {
  switch (operation.kind) {
    case 'openPath':
      return openPath(operation.request);
    case 'openInside':
      return openInside(operation.request);
    case 'openTar':
      return openTar(operation.request);
    case 'listMembers':
      return listMembers(operation.request);
    case 'readWhole':
      return readRange(operation.request.file);
    case 'examineLayer':
      return examineLayer(operation.request);
    case 'closeAll':
      return closeAll(operation.request.fds);
    default:
      return assertNever(operation, 'archive operation');
  }
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeFd(fd);
}
