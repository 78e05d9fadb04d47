export {
  createDirectoryWriter,
  createLowerView,
  type DirectoryWriter,
  type DirectoryWriterOptions,
} from './directory/index.ts';
export {
  type BlockFeed,
  createErofsWriter,
  createVerityTreeWriter,
  type ErofsImage,
  type ErofsWriter,
  type ErofsWriterOptions,
  type VerityFacts,
  type VerityTreeWriter,
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
