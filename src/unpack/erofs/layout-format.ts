/**
 * Numbers of the EROFS on-disk format: https://docs.kernel.org/filesystems/erofs.html, section “On-disk format”, and
 * the kernel's own header, https://github.com/torvalds/linux/blob/v6.12/fs/erofs/erofs_fs.h.
 */

/** The only block size that every kernel with EROFS and every block device supports. */
export const BLOCK_BYTES = 4096;
export const BLOCK_BITS = 12;
/** Inodes are addressed in slots of 32 bytes (EROFS_ISLOTBITS). */
export const SLOT_BYTES = 32;
/** The size of `struct erofs_inode_extended`, which has owners of 32 bits and a modification time. */
export const INODE_BYTES = 64;
/** The size of `struct erofs_dirent`. */
export const DIRENT_BYTES = 12;
/** EROFS_SUPER_OFFSET: the bytes before it are reserved for boot sectors. */
export const SUPERBLOCK_OFFSET = 1024;

/** Layouts of i_format, “Inode data layouts”: data in blocks, data whose last part follows the inode, chunks with holes. */
export const DATA_LAYOUT = { flatPlain: 0, flatInline: 2, chunkBased: 4 } as const;

/** File types of `i_mode`. */
export const S_IF = {
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
} as const;

const TYPE_BITS = 0o170000;

/** The `file_type` of a dirent by the type of `i_mode`: EROFS_FT_*, which equal FT_* of include/linux/fs_types.h. */
const FILE_TYPES: ReadonlyMap<number, number> = new Map([
  [S_IF.file, 1],
  [S_IF.directory, 2],
  [S_IF.char, 3],
  [S_IF.block, 4],
  [S_IF.fifo, 5],
  [S_IF.symlink, 7],
]);

export function fileTypeOf(mode: number): number {
  return FILE_TYPES.get(mode & TYPE_BITS) ?? 0;
}

export function blocksOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES);
}

/** Encodes `i_u` of a device, as new_encode_dev of include/linux/kdev_t.h does. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Writes an integer below 2⁵³ in two halves, because a bigint would be an object for each value. */
export function writeUint64(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value >>> 0, offset);
  target.writeUInt32LE(Math.floor(value / 2 ** 32) >>> 0, offset + 4);
}
