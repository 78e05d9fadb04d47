import { type ByteString, fromByteString } from '../../bytes/index.ts';
import type { DirectoryNode, TrieNode } from '../tree/index.ts';
import { encodeDirectoryBlock, layoutDirectory } from './layout-directory.ts';
import { BLOCK_BYTES, blocksOf, INODE_BYTES, SLOT_BYTES } from './layout-format.ts';
import { encodeInode } from './layout-inode.ts';
import type { Inode } from './types.ts';

/** Slot 0 stays empty: a program may take inode number 0 for a name that is gone. */
const FIRST_OFFSET = 64;
/**
 * What lies behind an inode shares a block with it. Above this, leaving the rest of a block empty before the inode
 * costs more than a block of its own.
 */
const MAX_INLINE_BYTES = 3072;

/** Takes what the layout writes, in the order of the image. */
export interface LayoutSink {
  append(bytes: Uint8Array): void;
  /** Zeros up to a multiple of a block. */
  padBlock(): void;
  /** Zeros. */
  pad(bytes: number): void;
}

/** Every inode of an image, in the order of their slots, each with its place. */
export interface ImagePlan {
  readonly inodes: readonly Inode[];
  readonly root: Inode;
  /** From the start of the inodes to the end of the image. */
  readonly metaBlocks: number;
}

/**
 * Gives every inode that a name leads to its place, directory by directory from the root, so that what is listed
 * together lies together. Counts links. `metaBlock` is the block in which the inodes begin.
 */
export function planImage(root: DirectoryNode, inodeOf: (node: TrieNode) => Inode, metaBlock: number): ImagePlan {
  const rootInode = inodeOf(root);
  const slots = new SlotAllocator();
  const pending: Directory[] = [openDirectory(root, rootInode, rootInode, inodeOf)];
  slots.place(rootInode);
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
        pending.push(openDirectory(node, inode, here.inode, inodeOf));
      }
      slots.place(inode);
    }
  }
  return { inodes: slots.inodes, root: rootInode, metaBlocks: placeBlocks(slots, metaBlock) };
}

interface Directory {
  readonly node: DirectoryNode;
  readonly inode: Inode;
  readonly names: readonly ByteString[];
}

function openDirectory(
  node: DirectoryNode,
  inode: Inode,
  parent: Inode,
  inodeOf: (node: TrieNode) => Inode,
): Directory {
  const { children } = node;
  const content = layoutDirectory(children.keys(), (name) => {
    const child = children.get(name);
    if (child !== undefined) return inodeOf(child);
    return name === '.' ? inode : parent;
  });
  inode.content = content;
  inode.size = (content.starts.length - 1) * BLOCK_BYTES + content.tailBytes;
  // Its own `.`; for the root also its `..`, which has no name elsewhere.
  inode.links += inode === parent ? 2 : 1;
  return { node, inode, names: content.names };
}

class SlotAllocator {
  readonly inodes: Inode[] = [];
  #end = FIRST_OFFSET;

  /** Section “Inode”: behind the inode come its xattrs and then what is inline, which must not cross a block. */
  place(inode: Inode): void {
    const bytes = INODE_BYTES + (inode.xattrs?.length ?? 0);
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

/** Blocks that the layout writes for an inode, besides what is inline. */
function ownBlocks({ content, inline }: Inode): number {
  if (content === undefined) return 0;
  const all = typeof content === 'string' ? 1 : content.starts.length;
  return inline ? all - 1 : all;
}

function placeBlocks(slots: SlotAllocator, metaBlock: number): number {
  let next = metaBlock + slots.blocks;
  for (const inode of slots.inodes) {
    const blocks = ownBlocks(inode);
    if (blocks > 0) inode.unit = next;
    next += blocks;
  }
  return next - metaBlock;
}

/** Writes inodes, xattrs and what is inline, then the blocks of directories and long links. */
export function writeMetadata({ inodes }: ImagePlan, sink: LayoutSink): void {
  let end = 0;
  inodes.forEach((inode, index) => {
    const offset = inode.slot * SLOT_BYTES;
    sink.pad(offset - end);
    sink.append(encodeInode(inode, index + 1));
    if (inode.xattrs !== undefined) sink.append(inode.xattrs);
    const tail = inode.inline ? encodePart(inode, ownBlocks(inode)) : undefined;
    if (tail !== undefined) sink.append(tail);
    end = offset + INODE_BYTES + (inode.xattrs?.length ?? 0) + (tail?.length ?? 0);
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
