export { joinPath } from '../tree/entry-path.ts';
export { finishOverlay } from '../tree/finish-overlay.ts';
export { isDirectory, type Location, type Place, type StagedTree, type TreeLimits } from '../tree/layer-tree.ts';
export type { NodeMaker } from '../tree/node-maker.ts';
export { refuseXattr } from '../tree/refuse-xattr.ts';
export type { Tally } from '../tree/tally.ts';
export {
  createDirectoryWriter,
  type DirectoryWriter,
  type DirectoryWriterOptions,
  TreeWriter,
} from '../tree/tree-writer.ts';
export { type Attributes, type DirectoryNode, IMPLIED_ATTRIBUTES, type LeafNode, type TrieNode } from '../tree/trie.ts';
export { deviceOf, readAttributes } from './copy-lower.ts';
export { createLowerView } from './lower-view.ts';
export { assertLinkText, type Device } from './make-node.ts';
export { toSystemPath } from './system-path.ts';
export type { NameStore } from './tree-disk.ts';
export { describeWriteFailure } from './write-failure.ts';
