export { openArchive } from './open-archive.ts';
export { ARCHIVE_OPERATIONS } from './operations.ts';
export type {
  ArchiveOperations,
  FileOffer,
  FileSupply,
  OpenArchive,
} from './types.ts';
