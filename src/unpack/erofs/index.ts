export { createErofsWriter } from './erofs-writer.ts';
export type {
  BlockFeed,
  ErofsImage,
  ErofsWriter,
  ErofsWriterOptions,
  VerityFacts,
  VerityTreeWriter,
} from './types.ts';
export { createVerityTreeWriter } from './verity-tree-writer.ts';
