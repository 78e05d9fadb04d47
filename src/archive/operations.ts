import { closeFd } from '../platform/index.ts';
import { examineLayer } from './examine-layer.ts';
import { listMembers } from './list-members.ts';
import { openInside, openPath } from './open-path.ts';
import { openTar } from './open-tar.ts';
import { readRange } from './read-range.ts';
import type { ArchiveOperations } from './types.ts';

export const ARCHIVE_OPERATIONS: ArchiveOperations = {
  openPath,
  openInside,
  openTar,
  listMembers,
  readWhole: ({ file }) => readRange(file),
  examineLayer,
  closeAll: ({ fds }) => {
    for (const fd of fds) closeFd(fd);
  },
};
