/**
 * Numbers of the EROFS on-disk format: https://docs.kernel.org/filesystems/erofs.html, section “On-disk format”, and the
 * kernel's own header, https://github.com/torvalds/linux/blob/v6.12/fs/erofs/erofs_fs.h.
 */

/** The only block size that every kernel with EROFS reads, and that every block device takes. */
export const BLOCK_BYTES = 4096;
export const BLOCK_BITS = 12;
/** Inodes are addressed in slots of 32 bytes (EROFS_ISLOTBITS). */
export const SLOT_BYTES = 32;
/** `struct erofs_inode_extended`: owners of 32 bits, a time of its own. */
export const INODE_BYTES = 64;
/** `struct erofs_dirent`. */
export const DIRENT_BYTES = 12;
/** EROFS_SUPER_OFFSET: what comes before is left to boot sectors. */
export const SUPERBLOCK_OFFSET = 1024;

/** `enum` of i_format, “Inode data layouts”; block-mapped data, and the same with the last part behind the inode. */
export const DATA_LAYOUT = { flatPlain: 0, flatInline: 2 } as const;

/** Types and permission bits of `i_mode`. */
export const S_IF = {
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
} as const;

const TYPE_BITS = 0o170000;

/** `file_type` of a dirent by `i_mode`: EROFS_FT_*, which are FT_* of include/linux/fs_types.h. */
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

/** `i_u` of a device, as new_encode_dev of include/linux/kdev_t.h. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Two halves, because a number holds 53 bits and a bigint would be an object for each of them. */
export function writeUint64(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value >>> 0, offset);
  target.writeUInt32LE(Math.floor(value / 2 ** 32) >>> 0, offset + 4);
}
