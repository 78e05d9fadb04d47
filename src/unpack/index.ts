export {
  createDirectoryWriter,
  createLowerView,
  type DirectoryWriter,
  type DirectoryWriterOptions,
} from './directory/index.ts';
export {
  createErofsWriter,
  type ErofsImage,
  type ErofsWriter,
  type ErofsWriterOptions,
  type VerityFacts,
} from './erofs/index.ts';
export { readTar } from './tar/index.ts';
export type {
  EntrySink,
  EntryType,
  ImpliedDirectory,
  LayerFacts,
  LowerNode,
  LowerView,
  TarEntry,
  Timestamp,
  UnresolvedLink,
} from './types.ts';
