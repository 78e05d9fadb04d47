export { assertLinkText } from './assert-link-text.ts';
export { joinPath, parseEntryPath } from './entry-path.ts';
export { finishOverlay } from './finish-overlay.ts';
export {
  type Change,
  isDirectory,
  type LayerTree,
  type NameStore,
  type TreeDirectory,
  type TreeLimits,
  type TreeName,
} from './layer-tree.ts';
export type { NodeMaker } from './node-maker.ts';
export type { Device } from './parse-device.ts';
export { refuseXattr } from './refuse-xattr.ts';
export { RunCursor } from './run-cursor.ts';
export type { Tally } from './tally.ts';
export { TreeWriter, type TreeWriterOptions } from './tree-writer.ts';
export { type Attributes, type DirectoryNode, IMPLIED_ATTRIBUTES, type LeafNode, type TrieNode } from './trie.ts';
