import type { InflateLibrary } from '../../platform/index.ts';
import { SLOT_BYTES, type SlotWriter } from '../ring.ts';
import { GzipHeader, GzipHeaderError } from './gzip-header.ts';
import { IsalStream } from './isal-stream.ts';
import { decompressFailed } from './sync-handle.ts';
import type { Decompressor } from './types.ts';

/** CRC-32 and size of the output: https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1 */
const TRAILER_BYTES = 8;
const CRC_BYTES = 4;

type Phase = 'before-member' | 'header' | 'data' | 'trailer';

/**
 * Decompresses gzip into slots of the ring on this thread with ISA-L, and accepts and refuses what node:zlib does. Throws
 * `LAYER_DECOMPRESS_FAILED`. `memory` is for tests.
 */
export function createIsalDecompressor(library: InflateLibrary, slots: SlotWriter, memory?: Buffer): Decompressor {
  return new IsalDecompressor(new IsalStream(library, memory), slots);
}

class IsalDecompressor implements Decompressor {
  readonly #stream: IsalStream;
  readonly #slots: SlotWriter;
  #phase: Phase = 'before-member';
  #members = 0;
  #header = new GzipHeader();
  readonly #trailer = Buffer.alloc(TRAILER_BYTES);
  #trailerBytes = 0;
  /** The bytes of this member's output. */
  #size = 0;
  #slot: Uint8Array | undefined;
  #filled = 0;

  constructor(stream: IsalStream, slots: SlotWriter) {
    this.#stream = stream;
    this.#slots = slots;
  }

  write(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) offset += this.#read(chunk.subarray(offset));
  }

  end(): void {
    const isWhole = this.#phase === 'before-member' && this.#members > 0;
    if (!isWhole) throw decompressFailed('gzip', 'unexpected end of file (Z_BUF_ERROR)');
    if (this.#filled > 0) this.#publish();
    this.#slots.end();
  }

  close(): void {
    this.#slot = undefined;
  }

  /** Returns how many bytes were used, which may be none when a phase ends. */
  #read(input: Uint8Array): number {
    switch (this.#phase) {
      case 'before-member':
        return this.#beginMember(input);
      case 'header':
        return this.#readHeader(input);
      case 'data':
        return this.#inflate(input);
      case 'trailer':
        return this.#readTrailer(input);
    }
  }

  /** Node goes on with another member unless the next byte is zero. */
  #beginMember(input: Uint8Array): number {
    if (this.#members > 0 && input[0] === 0) throw decompressFailed('gzip', 'data after the end of the stream');
    this.#header = new GzipHeader();
    this.#phase = 'header';
    return 0;
  }

  #readHeader(input: Uint8Array): number {
    try {
      const used = this.#header.read(input);
      if (this.#header.isComplete) this.#beginData();
      return used;
    } catch (error) {
      if (error instanceof GzipHeaderError) throw invalid(error.message);
      throw error;
    }
  }

  #beginData(): void {
    this.#stream.begin();
    this.#size = 0;
    this.#trailerBytes = 0;
    this.#phase = 'data';
  }

  #inflate(input: Uint8Array): number {
    const stream = this.#stream;
    let offset = 0;
    for (;;) {
      this.#slot ??= this.#slots.acquire();
      const problem = stream.inflate(input.subarray(offset), this.#slot.subarray(this.#filled, SLOT_BYTES));
      if (problem !== undefined) throw invalid(problem);
      const { consumed, produced } = stream;
      offset += consumed;
      this.#filled += produced;
      this.#size += produced;
      const isFull = this.#filled === SLOT_BYTES;
      if (isFull) this.#publish();
      if (stream.isFinished) {
        this.#phase = 'trailer';
        this.#readTrailer(stream.takeRest());
        return offset;
      }
      // The state may hold output that did not fit.
      if (isFull) continue;
      if (offset === input.length) return offset;
      if (consumed === 0 && produced === 0) throw invalid('no progress');
    }
  }

  /** Compares each half as soon as it is there, as zlib does. */
  #readTrailer(input: Uint8Array): number {
    const before = this.#trailerBytes;
    const part = input.subarray(0, TRAILER_BYTES - before);
    this.#trailer.set(part, before);
    this.#trailerBytes += part.length;
    if (before < CRC_BYTES && this.#trailerBytes >= CRC_BYTES) {
      if (this.#trailer.readUInt32LE(0) !== this.#stream.checksum) throw invalid('incorrect data check');
    }
    if (this.#trailerBytes === TRAILER_BYTES) {
      if (this.#trailer.readUInt32LE(CRC_BYTES) !== this.#size % 2 ** 32) throw invalid('incorrect length check');
      this.#members += 1;
      this.#phase = 'before-member';
    }
    return part.length;
  }

  #publish(): void {
    this.#slots.publish(this.#filled);
    this.#slot = undefined;
    this.#filled = 0;
  }
}

function invalid(detail: string): Error {
  return decompressFailed('gzip', `${detail} (Z_DATA_ERROR)`);
}
