import type { DataRun, SparseFile } from '../types.ts';
import { BLOCK_BYTES, blocksOf } from './layout-format.ts';

/** EROFS_NULL_ADDR: a chunk that reads as zeros. */
const HOLE = 0xffff_ffff;
/** The size of an entry, an address of a block, without EROFS_CHUNK_FORMAT_INDEXES. */
const ENTRY_BYTES = 4;
/** Chunks of 4 GiB; the format allows more. */
const MAX_BITS = 20;
const PIECE_ENTRIES = 16 * 1024;

/** Chunks of a sparse file that are in the image, one behind the other. */
export interface ChunkExtent {
  /** The first chunk in the file. */
  readonly chunk: number;
  readonly count: number;
  /** The first block in the image. */
  readonly at: number;
}

/** The map of a sparse file, section “Chunk-based files”: it follows the inode and its xattrs. */
export interface ChunkMap {
  /** The size of a chunk, as the power of two of its blocks. */
  readonly bits: number;
  readonly chunks: number;
  readonly extents: readonly ChunkExtent[];
}

export function chunkBytes({ bits }: Pick<ChunkMap, 'bits'>): number {
  return BLOCK_BYTES * 2 ** bits;
}

/** Plans where the runs of a file go, in their order, from block `at` of the image on. */
export function planChunks({ size, runs }: SparseFile, at: number): ChunkMap {
  const bits = chooseBits(blocksOf(size), runs.length);
  return { bits, chunks: Math.ceil(blocksOf(size) / 2 ** bits), extents: planExtents(runs, bits, at) };
}

/** Large chunks make the map short, and small ones the zeros around each run; the sum is the least here. */
function chooseBits(blocks: number, runs: number): number {
  const cost = (bits: number): number =>
    Math.ceil(blocks / 2 ** bits) * ENTRY_BYTES + Math.min(2 * runs * 2 ** bits, blocks) * BLOCK_BYTES;
  let best = 0;
  for (let bits = 1; bits <= MAX_BITS; bits += 1) if (cost(bits) < cost(best)) best = bits;
  return best;
}

function planExtents(runs: readonly DataRun[], bits: number, at: number): readonly ChunkExtent[] {
  const extents: { chunk: number; count: number; at: number }[] = [];
  const bytes = chunkBytes({ bits });
  let next = at;
  for (const { offset, length } of runs) {
    const first = Math.floor(offset / bytes);
    const end = Math.ceil((offset + length) / bytes);
    const last = extents.at(-1);
    const lastEnd = last === undefined ? -1 : last.chunk + last.count;
    const from = Math.max(first, lastEnd);
    if (last !== undefined && from === lastEnd) last.count += end - from;
    else extents.push({ chunk: from, count: end - from, at: next });
    next += (end - from) * 2 ** bits;
  }
  return extents;
}

export function chunkMapBytes({ chunks }: ChunkMap): number {
  return chunks * ENTRY_BYTES;
}

function addressOf(chunk: number, extent: ChunkExtent | undefined, bits: number): number {
  if (extent === undefined || extent.chunk > chunk) return HOLE;
  return extent.at + (chunk - extent.chunk) * 2 ** bits;
}

/** Yields the map in pieces, in memory that the next piece overwrites. */
export function* encodeChunkMap({ bits, chunks, extents }: ChunkMap): Generator<Uint8Array> {
  const piece = Buffer.allocUnsafe(Math.min(chunks, PIECE_ENTRIES) * ENTRY_BYTES);
  let index = 0;
  for (let chunk = 0; chunk < chunks; ) {
    const count = Math.min(PIECE_ENTRIES, chunks - chunk);
    for (let entry = 0; entry < count; entry += 1, chunk += 1) {
      let extent = extents[index];
      if (extent !== undefined && extent.chunk + extent.count <= chunk) extent = extents[++index];
      piece.writeUInt32LE(addressOf(chunk, extent, bits), entry * ENTRY_BYTES);
    }
    yield piece.subarray(0, count * ENTRY_BYTES);
  }
}
