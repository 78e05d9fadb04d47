import { RunCursor } from '../tree/index.ts';
import type { SparseFile } from '../types.ts';
import type { ImageFile } from './image-file.ts';
import { type ChunkMap, chunkBytes, planChunks } from './layout-chunks.ts';
import { BLOCK_BYTES } from './layout-format.ts';

/** Writes the data of a sparse file into whole chunks of the image; chunks that are only holes are not written. */
export class SparseBlocks {
  readonly map: ChunkMap;
  readonly #file: ImageFile;
  readonly #cursor: RunCursor;
  readonly #size: number;
  readonly #chunkBytes: number;
  /** Where in the file the last written byte ended; undefined before the first. */
  #position: number | undefined;

  /** The image must be at the beginning of a block. */
  constructor(sparse: SparseFile, file: ImageFile) {
    this.map = planChunks(sparse, file.block);
    this.#file = file;
    this.#cursor = new RunCursor(sparse.runs);
    this.#size = sparse.size;
    this.#chunkBytes = chunkBytes(this.map);
  }

  write(chunk: Uint8Array): void {
    this.#cursor.spread(chunk, (part, offset) => {
      if (offset !== this.#position) this.#moveTo(offset);
      this.#file.append(part);
      this.#position = offset + part.length;
    });
  }

  /** Fills the last chunk with zeros. */
  finish(): void {
    if (this.#position !== undefined) this.#file.pad(this.#endOfChunk(this.#position) - this.#position);
  }

  /** Fills the parts of chunks around a hole with zeros. */
  #moveTo(offset: number): void {
    const chunkStart = offset - (offset % this.#chunkBytes);
    const end = this.#position ?? chunkStart;
    if (end > chunkStart) {
      this.#file.pad(offset - end);
      return;
    }
    this.finish();
    this.#file.pad(offset - chunkStart);
  }

  /** The last chunk of the file ends with its last block. */
  #endOfChunk(position: number): number {
    const end = Math.ceil(position / this.#chunkBytes) * this.#chunkBytes;
    return Math.min(end, Math.ceil(this.#size / BLOCK_BYTES) * BLOCK_BYTES);
  }
}
