export { createErofsWriter } from './erofs-writer.ts';
export type { BlockFeed, ErofsWriter, VerityTreeWriter } from './types.ts';
export { createVerityTreeWriter } from './verity-tree-writer.ts';
