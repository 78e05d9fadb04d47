export { deviceOf, readAttributes } from './copy-lower.ts';
export {
  createDirectoryWriter,
  type DirectoryWriter,
  type DirectoryWriterOptions,
  TreeWriter,
} from './directory-writer.ts';
export { joinPath } from './entry-path.ts';
export { finishOverlay } from './finish-overlay.ts';
export { createLowerView } from './lower-view.ts';
export type { NodeMaker } from './node-maker.ts';
export { assertLinkText, type Device } from './place-entry.ts';
export { refuseXattr } from './refuse-xattr.ts';
export { isDirectory, type Location, type Place, type StagedTree, type TreeLimits } from './staged-tree.ts';
export { toSystemPath } from './system-path.ts';
export type { Tally } from './tally.ts';
export type { NameStore } from './tree-disk.ts';
export { type Attributes, type DirectoryNode, IMPLIED_ATTRIBUTES, type LeafNode, type TrieNode } from './trie.ts';
export { describeWriteFailure } from './write-failure.ts';
