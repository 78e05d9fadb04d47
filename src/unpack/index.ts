export {
  createDirectoryWriter,
  createLowerView,
  type DirectoryWriter,
} from './directory/index.ts';
export {
  type BlockFeed,
  createErofsWriter,
  createVerityTreeWriter,
  type ErofsWriter,
  type VerityTreeWriter,
} from './erofs/index.ts';
export { readTar } from './tar/index.ts';
export type {
  EntrySink,
  ImpliedDirectory,
  LayerFacts,
  LowerView,
  UnresolvedLink,
} from './types.ts';
