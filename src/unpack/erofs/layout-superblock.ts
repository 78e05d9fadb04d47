import { BLOCK_BITS, BLOCK_BYTES, SUPERBLOCK_OFFSET, writeUint64 } from './layout-format.ts';

/** EROFS_SUPER_MAGIC_V1. */
const MAGIC = 0xe0f5e1e2;
/** EROFS_FEATURE_COMPAT_MTIME: times of inodes are those of their content. */
const COMPAT_MTIME = 0x2;

interface ImageShape {
  /** Block in which the inodes begin. */
  readonly metaBlock: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly rootSlot: number;
}

/**
 * The first block, with `struct erofs_super_block`. Without time of building, UUID and label, so that the same layer
 * gives the same bytes, and without checksum: the layer was hashed and the image is ours.
 */
export function encodeSuperblock({ metaBlock, blocks, inodes, rootSlot }: ImageShape): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.writeUInt32LE(MAGIC, SUPERBLOCK_OFFSET);
  block.writeUInt32LE(COMPAT_MTIME, SUPERBLOCK_OFFSET + 8);
  block.writeUInt8(BLOCK_BITS, SUPERBLOCK_OFFSET + 12);
  block.writeUInt16LE(rootSlot, SUPERBLOCK_OFFSET + 14);
  writeUint64(block, inodes, SUPERBLOCK_OFFSET + 16);
  block.writeUInt32LE(blocks, SUPERBLOCK_OFFSET + 36);
  block.writeUInt32LE(metaBlock, SUPERBLOCK_OFFSET + 40);
  return block;
}
