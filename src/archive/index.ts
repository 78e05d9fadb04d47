export { openArchive } from './open-archive.ts';
export { performArchiveOperation } from './perform-operation.ts';
export type {
  ArchiveOperation,
  FileOffer,
  FileSupply,
  OpenArchive,
  RunArchiveOperation,
} from './types.ts';
