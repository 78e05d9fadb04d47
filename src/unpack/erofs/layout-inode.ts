import type { Attributes } from '../tree/index.ts';
import type { ChunkMap } from './layout-chunks.ts';
import { DATA_LAYOUT, INODE_BYTES, writeUint64 } from './layout-format.ts';
import type { Inode } from './types.ts';

interface Substance {
  readonly type: number;
  readonly size?: number;
  readonly unit?: number;
  readonly content?: Inode['content'];
  readonly chunks?: ChunkMap;
}

export function createInode(
  { type, size = 0, unit = 0, content, chunks }: Substance,
  { mode, uid, gid, mtime }: Attributes,
  xattrs: Uint8Array | undefined,
): Inode {
  const { seconds, nanoseconds } = mtime;
  return {
    mode: type | mode,
    uid,
    gid,
    seconds,
    nanoseconds,
    xattrs,
    chunks,
    content,
    size,
    unit: chunks?.bits ?? unit,
    links: 0,
    slot: 0,
    inline: false,
  };
}

const scratch = Buffer.alloc(INODE_BYTES);

/**
 * Encodes `struct erofs_inode_extended`. The next call overwrites the result. Times before 1970 are written in two's
 * complement: the format says u64, and the kernel reads it into its signed time64_t.
 */
export function encodeInode(inode: Inode, number: number): Uint8Array {
  scratch.writeUInt16LE(1 | (layoutOf(inode) << 1), 0);
  scratch.writeUInt16LE(inode.xattrs === undefined ? 0 : countXattrWords(inode.xattrs), 2);
  scratch.writeUInt16LE(inode.mode, 4);
  writeUint64(scratch, inode.size, 8);
  scratch.writeUInt32LE(inode.unit, 16);
  scratch.writeUInt32LE(number, 20);
  scratch.writeUInt32LE(inode.uid, 24);
  scratch.writeUInt32LE(inode.gid, 28);
  writeUint64(scratch, inode.seconds, 32);
  scratch.writeUInt32LE(inode.nanoseconds, 40);
  scratch.writeUInt32LE(inode.links, 44);
  return scratch;
}

function layoutOf({ chunks, inline }: Inode): number {
  if (chunks !== undefined) return DATA_LAYOUT.chunkBased;
  return inline ? DATA_LAYOUT.flatInline : DATA_LAYOUT.flatPlain;
}

/** Returns `i_xattr_icount`, in words of four bytes; the header of 12 bytes counts as one word. */
function countXattrWords(body: Uint8Array): number {
  return (body.length - 12) / 4 + 1;
}
