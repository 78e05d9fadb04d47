import { type ByteString, fromByteString } from '../../bytes/index.ts';
import type { DirectoryNode, TrieNode } from '../tree/index.ts';
import { chunkMapBytes, encodeChunkMap } from './layout-chunks.ts';
import { encodeDirectoryBlock, layoutDirectory } from './layout-directory.ts';
import { BLOCK_BYTES, blocksOf, INODE_BYTES, SLOT_BYTES } from './layout-format.ts';
import { encodeInode } from './layout-inode.ts';
import type { Inode } from './types.ts';

/** The offset of the first inode. Slot 0 stays empty, because programs may read inode number 0 as a deleted name. */
const FIRST_OFFSET = 64;
/**
 * The largest inode with inline content. Both must lie in one block; above this size, the bytes that stay unused at the
 * end of a block cost more than a separate block for the content.
 */
const MAX_INLINE_BYTES = 3072;

/** Receives the bytes of the layout in the order of the image. */
export interface LayoutSink {
  append(bytes: Uint8Array): void;
  /** Appends zeros up to a whole block. */
  padBlock(): void;
  /** Appends this many zeros. */
  pad(bytes: number): void;
}

/** All inodes of an image in the order of their slots, each with its slot and blocks. */
export interface ImagePlan {
  readonly inodes: readonly Inode[];
  readonly root: Inode;
  /** The number of blocks from the start of the inodes to the end of the image. */
  readonly metaBlocks: number;
}

/**
 * Assigns a slot and blocks to every inode that has a name, directory by directory from the root, so that the inodes of
 * a directory are adjacent. Counts links. `metaBlock` is the block in which the inodes begin.
 */
export function planImage(root: DirectoryNode, inodeOf: (node: TrieNode) => Inode, metaBlock: number): ImagePlan {
  const rootInode = inodeOf(root);
  const slots = new SlotAllocator();
  const pending: Directory[] = [openDirectory({ node: root, inode: rootInode, parent: rootInode }, inodeOf)];
  slots.allocate(rootInode);
  for (let at = 0; at < pending.length; at += 1) {
    const here = pending[at];
    if (here === undefined) break;
    for (const name of here.names) {
      const node = here.node.children.get(name);
      if (node === undefined) continue;
      const inode = inodeOf(node);
      inode.links += 1;
      if (inode.slot > 0) continue;
      if (node.kind === 'directory') {
        here.inode.links += 1;
        pending.push(openDirectory({ node, inode, parent: here.inode }, inodeOf));
      }
      slots.allocate(inode);
    }
  }
  return { inodes: slots.inodes, root: rootInode, metaBlocks: assignBlocks(slots, metaBlock) };
}

interface Directory {
  readonly node: DirectoryNode;
  readonly inode: Inode;
  readonly names: readonly ByteString[];
}

interface FoundDirectory {
  readonly node: DirectoryNode;
  readonly inode: Inode;
  /** The inode of the directory above; for the root, its own. */
  readonly parent: Inode;
}

function openDirectory({ node, inode, parent }: FoundDirectory, inodeOf: (node: TrieNode) => Inode): Directory {
  const { children } = node;
  const content = layoutDirectory(children.keys(), (name) => {
    const child = children.get(name);
    if (child !== undefined) return inodeOf(child);
    return name === '.' ? inode : parent;
  });
  inode.content = content;
  inode.size = (content.starts.length - 1) * BLOCK_BYTES + content.tailBytes;
  // One link is its own `.`; the root has no name in another directory, so its `..` counts, too.
  inode.links += inode === parent ? 2 : 1;
  return { node, inode, names: content.names };
}

/** The size of an inode with its xattrs, whose length is a multiple of four, and a map of chunks. */
function ownBytes({ xattrs, chunks }: Inode): number {
  return INODE_BYTES + (xattrs?.length ?? 0) + (chunks === undefined ? 0 : chunkMapBytes(chunks));
}

class SlotAllocator {
  readonly inodes: Inode[] = [];
  #end = FIRST_OFFSET;

  /** Allocates slots, section “Inode”: the inode, its xattrs and then inline content, which must not cross a block. */
  allocate(inode: Inode): void {
    const bytes = ownBytes(inode);
    const whole = bytes + tailBytesOf(inode);
    inode.inline = inode.content !== undefined && whole <= MAX_INLINE_BYTES;
    const start = alignSlot(this.#end);
    const together = inode.inline ? whole : INODE_BYTES;
    const rest = BLOCK_BYTES - (start % BLOCK_BYTES);
    const offset = together > rest ? start + rest : start;
    inode.slot = offset / SLOT_BYTES;
    this.#end = offset + (inode.inline ? whole : bytes);
    this.inodes.push(inode);
  }

  get blocks(): number {
    return blocksOf(this.#end);
  }
}

function alignSlot(offset: number): number {
  return Math.ceil(offset / SLOT_BYTES) * SLOT_BYTES;
}

function tailBytesOf({ content }: Inode): number {
  if (content === undefined) return 0;
  return typeof content === 'string' ? content.length : content.tailBytes;
}

/** Returns the number of blocks that the layout writes for an inode, without inline content. */
function ownBlocks({ content, inline }: Inode): number {
  if (content === undefined) return 0;
  const all = typeof content === 'string' ? 1 : content.starts.length;
  return inline ? all - 1 : all;
}

function assignBlocks(slots: SlotAllocator, metaBlock: number): number {
  let next = metaBlock + slots.blocks;
  for (const inode of slots.inodes) {
    const blocks = ownBlocks(inode);
    if (blocks > 0) inode.unit = next;
    next += blocks;
  }
  return next - metaBlock;
}

/** Writes inodes, xattrs and inline content, then the blocks of directories and long links. */
export function writeMetadata({ inodes }: ImagePlan, sink: LayoutSink): void {
  let end = 0;
  inodes.forEach((inode, index) => {
    const offset = inode.slot * SLOT_BYTES;
    sink.pad(offset - end);
    sink.append(encodeInode(inode, index + 1));
    if (inode.xattrs !== undefined) sink.append(inode.xattrs);
    if (inode.chunks !== undefined) for (const piece of encodeChunkMap(inode.chunks)) sink.append(piece);
    const tail = inode.inline ? encodePart(inode, ownBlocks(inode)) : undefined;
    if (tail !== undefined) sink.append(tail);
    end = offset + ownBytes(inode) + (tail?.length ?? 0);
  });
  sink.padBlock();
  for (const inode of inodes) {
    const blocks = ownBlocks(inode);
    for (let index = 0; index < blocks; index += 1) {
      sink.append(encodePart(inode, index));
      sink.padBlock();
    }
  }
}

function encodePart({ content }: Inode, index: number): Uint8Array {
  if (content === undefined) return Buffer.alloc(0);
  return typeof content === 'string' ? fromByteString(content) : encodeDirectoryBlock(content, index);
}
