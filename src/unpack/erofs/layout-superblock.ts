import { BLOCK_BITS, BLOCK_BYTES, SUPERBLOCK_OFFSET, writeUint64 } from './layout-format.ts';

/** EROFS_SUPER_MAGIC_V1. */
const MAGIC = 0xe0f5e1e2;
/** EROFS_FEATURE_COMPAT_MTIME: the times of inodes are modification times. */
const COMPAT_MTIME = 0x2;
/** EROFS_FEATURE_INCOMPAT_CHUNKED_FILE. */
const INCOMPAT_CHUNKED_FILE = 0x4;

interface ImageShape {
  /** The block in which the inodes begin. */
  readonly metaBlock: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly rootSlot: number;
  /** True if a file has holes, so that kernels before 5.15 refuse the image instead of reading it wrongly. */
  readonly hasChunks: boolean;
}

/**
 * Encodes the first block, with `struct erofs_super_block`. It has no build time, UUID and label, so that the same
 * layer yields the same bytes, and no checksum, because the layer was hashed and the image is written by Sealift.
 */
export function encodeSuperblock({ metaBlock, blocks, inodes, rootSlot, hasChunks }: ImageShape): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.writeUInt32LE(MAGIC, SUPERBLOCK_OFFSET);
  block.writeUInt32LE(COMPAT_MTIME, SUPERBLOCK_OFFSET + 8);
  block.writeUInt8(BLOCK_BITS, SUPERBLOCK_OFFSET + 12);
  block.writeUInt16LE(rootSlot, SUPERBLOCK_OFFSET + 14);
  writeUint64(block, inodes, SUPERBLOCK_OFFSET + 16);
  block.writeUInt32LE(blocks, SUPERBLOCK_OFFSET + 36);
  block.writeUInt32LE(metaBlock, SUPERBLOCK_OFFSET + 40);
  if (hasChunks) block.writeUInt32LE(INCOMPAT_CHUNKED_FILE, SUPERBLOCK_OFFSET + 80);
  return block;
}
