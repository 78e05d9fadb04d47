import { lstatSync } from 'node:fs';
import type { ByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import { type SystemPath, withReachablePath } from '../../platform/index.ts';
import { describeWriteFailure, deviceOf, openFileContent, readAttributes, toSystemPath } from '../directory/index.ts';
import {
  type Attributes,
  assertLinkText,
  type Device,
  type DirectoryNode,
  finishOverlay,
  IMPLIED_ATTRIBUTES,
  isDirectory,
  type LayerTree,
  type NodeMaker,
  type Tally,
  type TreeDirectory,
  type TreeName,
  type TrieNode,
} from '../tree/index.ts';
import type { EntryType, ImpliedDirectory, LowerNode, SparseFile, TarEntry } from '../types.ts';
import type { ImageFile } from './image-file.ts';
import { judgeXattrs } from './judge-xattrs.ts';
import { encodeDevice, S_IF } from './layout-format.ts';
import { planImage, writeMetadata } from './layout-image.ts';
import { createInode } from './layout-inode.ts';
import { encodeSuperblock } from './layout-superblock.ts';
import { encodeXattrs } from './layout-xattrs.ts';
import { SparseBlocks } from './sparse-blocks.ts';
import type { ErofsImage, Inode } from './types.ts';

const OPAQUE_XATTR = 'trusted.overlay.opaque' as ByteString;
const OPAQUE_VALUE = Buffer.from('y');
const LINK_PERMISSIONS = 0o777;

interface ImageNodesOptions {
  readonly path: string;
  readonly file: ImageFile;
  readonly tree: LayerTree;
  readonly tally: Tally;
}

interface FileCopy {
  readonly source: SystemPath;
  readonly size: number;
  readonly attributes: Attributes;
}

/** A node of the tree that is not a directory, with the inode that it names. */
type ImageLeaf = Exclude<TrieNode, DirectoryNode> & { readonly inode: Inode };

function isImageLeaf(node: TrieNode): node is ImageLeaf {
  return 'inode' in node;
}

function inodeOfLeaf(node: TrieNode): Inode | undefined {
  return isImageLeaf(node) ? node.inode : undefined;
}

/** Creates the nodes of a tree as inodes in memory; the content of files is written into the image as it arrives. */
export class ImageNodes implements NodeMaker {
  readonly #path: string;
  readonly #file: ImageFile;
  readonly #tree: LayerTree;
  readonly #tally: Tally;
  readonly #directories = new Map<DirectoryNode, Inode>();
  #sparse: SparseBlocks | undefined;
  #hasChunks = false;
  #image: ErofsImage | undefined;

  constructor({ path, file, tree, tally }: ImageNodesOptions) {
    this.#path = path;
    this.#file = file;
    this.#tree = tree;
    this.#tally = tally;
  }

  /** Undefined until the layer has ended. */
  get image(): ErofsImage | undefined {
    return this.#image;
  }

  openFile(at: TreeName, entry: TarEntry): void {
    if (entry.sparse === undefined) this.#addFile(at, entry.size, entry);
    else this.#sparse = this.#addSparseFile(at, entry.sparse, entry);
  }

  write(chunk: Uint8Array): void {
    if (this.#sparse === undefined) this.#file.append(chunk);
    else this.#sparse.write(chunk);
  }

  finishFile(): void {
    this.#sparse?.finish();
    this.#file.padBlock();
    this.#sparse = undefined;
  }

  makeSymlink(at: TreeName, text: ByteString, attributes: Attributes): void {
    assertLinkText(text);
    const xattrs = this.#xattrsOf('symlink', attributes);
    const substance = { type: S_IF.symlink, size: text.length, content: text };
    const inode = createInode(substance, { ...attributes, mode: LINK_PERMISSIONS }, xattrs);
    this.#put(at, { kind: 'symlink', layer: 0, target: text, inode });
  }

  makeDevice(at: TreeName, { type, major, minor }: Device, attributes: Attributes): void {
    const unit = type === 'fifo' ? 0 : encodeDevice(major, minor);
    const inode = createInode({ type: S_IF[type], unit }, attributes, this.#xattrsOf(type, attributes));
    this.#put(at, { kind: 'other', layer: 0, inode });
  }

  copyLower(from: LowerNode, at: TreeName): number {
    return withReachablePath(toSystemPath(from.realPath), (source) => this.#copyNode(from, source, at));
  }

  #copyNode(from: LowerNode, source: SystemPath, at: TreeName): number {
    const stat = lstatSync(source, { bigint: true });
    const attributes = readAttributes(source, stat);
    if (stat.isFile()) {
      return this.#copyFile(at, { source, size: Number(stat.size), attributes });
    }
    if (from.type === 'symlink' && from.target !== undefined) this.makeSymlink(at, from.target, attributes);
    else this.makeDevice(at, deviceOf(stat, from), attributes);
    return 0;
  }

  makeWhiteout(parent: TreeDirectory, name: ByteString): void {
    const inode = createInode({ type: S_IF.char }, { ...IMPLIED_ATTRIBUTES, mode: 0 }, undefined);
    this.#put({ parent, name }, { kind: 'other', layer: 0, inode });
  }

  finishDirectory({ node }: TreeDirectory): void {
    const attributes = node.attributes ?? IMPLIED_ATTRIBUTES;
    const judged = judgeXattrs({ ...attributes, type: 'directory' }, this.#tally);
    const all = node.opaque ? new Map([...judged, [OPAQUE_XATTR, OPAQUE_VALUE]]) : judged;
    this.#directories.set(node, createInode({ type: S_IF.directory }, attributes, encodeXattrs(all)));
  }

  beginLayer(): void {
    throw new SealiftError('INTERNAL', 'write image: expected one layer, got another');
  }

  endLayer(): ImpliedDirectory[] {
    const implied = finishOverlay(this.#tree, this);
    this.#image = this.#finishImage();
    this.#file.close();
    return implied;
  }

  describeFailure(error: unknown): unknown {
    return describeWriteFailure(error, this.#path);
  }

  close(): void {
    this.#file.close();
  }

  #finishImage(): ErofsImage {
    const metaBlock = this.#file.block;
    const plan = planImage(this.#tree.root, (node) => this.#inodeOf(node), metaBlock);
    writeMetadata(plan, this.#file);
    const { inodes, metaBlocks, root } = plan;
    const blocks = metaBlock + metaBlocks;
    return this.#file.finish(
      encodeSuperblock({ metaBlock, blocks, inodes: inodes.length, rootSlot: root.slot, hasChunks: this.#hasChunks }),
    );
  }

  #inodeOf(node: TrieNode): Inode {
    const inode = isDirectory(node) ? this.#directories.get(node) : inodeOfLeaf(node);
    if (inode !== undefined) return inode;
    throw new SealiftError('INTERNAL', 'lay out image: expected an inode for a node, got none');
  }

  #addFile(at: TreeName, size: number, attributes: Attributes): void {
    // An empty file has no block, and an inode must not refer to one that is never written.
    const unit = size === 0 ? 0 : this.#file.block;
    const inode = createInode({ type: S_IF.file, size, unit }, attributes, this.#xattrsOf('file', attributes));
    this.#put(at, { kind: 'other', layer: 0, inode });
  }

  #addSparseFile(at: TreeName, sparse: SparseFile, attributes: Attributes): SparseBlocks {
    const blocks = new SparseBlocks(sparse, this.#file);
    const substance = { type: S_IF.file, size: sparse.size, chunks: blocks.map };
    this.#put(at, {
      kind: 'other',
      layer: 0,
      inode: createInode(substance, attributes, this.#xattrsOf('file', attributes)),
    });
    this.#hasChunks = true;
    return blocks;
  }

  /** Holes stay holes: a small layer may have files of many gigabytes. */
  #copyFile(at: TreeName, { source, size, attributes }: FileCopy): number {
    const content = openFileContent(source, size);
    try {
      const sparse = content.hasHoles ? this.#addSparseFile(at, { size, runs: content.runs }, attributes) : undefined;
      if (sparse === undefined) this.#addFile(at, size, attributes);
      const copied = content.copyTo(sparse ?? { write: (chunk) => this.#file.append(chunk) });
      sparse?.finish();
      this.#file.padBlock();
      return copied;
    } finally {
      content.close();
    }
  }

  #xattrsOf(type: Exclude<EntryType, 'hardlink'>, { mode, xattrs }: Attributes): Uint8Array | undefined {
    return encodeXattrs(judgeXattrs({ type, mode, xattrs }, this.#tally));
  }

  #put({ parent, name }: TreeName, leaf: ImageLeaf): void {
    parent.node.children.set(name, leaf);
  }
}
