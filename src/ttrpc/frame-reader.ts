import type { Budget } from './budget.ts';
import { FRAME_HEADER_BYTES, type FrameHeader, parseFrameHeader } from './frame.ts';

/** Frames up to this size are always read, so that unfinished large frames never block small calls. */
export const FREE_FRAME_BYTES = 16 * 1_024;
/** The first size of a frame's buffer, which grows as bytes arrive. */
const FIRST_BYTES = 1_024;

/** Narrows the type of a chunk: a socket without an encoding emits buffers, which its types do not say. */
export function asBytes(chunk: Buffer | string): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;
}

/** Why the data of a frame was discarded. */
export type Refusal = 'tooLarge' | 'overloaded';

export interface FrameReaderOptions {
  readonly maxBytes: number;
  readonly budget: Budget;
  /** Receives a whole frame and owns `data`; it must call `release` once it no longer needs the data. */
  readonly onFrame: (header: FrameHeader, data: Buffer, release: () => void) => void;
  /** Called once for a frame that is refused, as soon as that is known; the rest of the frame is skipped. */
  readonly onRefused: (header: FrameHeader, refusal: Refusal) => void;
}

/**
 * Cuts a stream of bytes into frames, whatever its chunks are. Memory grows with the bytes that arrived, never with the
 * length that a header claims. All bytes are attacker-controlled.
 */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #headerBytes = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #header: FrameHeader | undefined;
  #data: Buffer = Buffer.alloc(0);
  #fill = 0;
  #taken = 0;
  #isSkipping = false;
  #frames = 0;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** The number of frames begun so far. While it does not change, the same frame is still unfinished. */
  get frames(): number {
    return this.#frames;
  }

  /** True while a part of a frame has arrived and the rest has not. */
  get isMidFrame(): boolean {
    return this.#headerFill > 0;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.byteLength > 0) rest = this.#header === undefined ? this.#readHeader(rest) : this.#readData(rest);
  }

  /** Gives the memory of an unfinished frame back to the budget. Nothing may be pushed afterwards. */
  close(): void {
    this.#drop();
  }

  #drop(): void {
    this.#options.budget.give(this.#taken);
    this.#taken = 0;
    this.#data = Buffer.alloc(0);
  }

  #readHeader(chunk: Buffer): Buffer {
    if (this.#headerFill === 0) this.#frames += 1;
    const copied = chunk.copy(this.#headerBytes, this.#headerFill);
    this.#headerFill += copied;
    if (this.#headerFill === FRAME_HEADER_BYTES) this.#begin(parseFrameHeader(this.#headerBytes));
    return chunk.subarray(copied);
  }

  #begin(header: FrameHeader): void {
    this.#header = header;
    this.#fill = 0;
    if (header.length > this.#options.maxBytes) this.#refuse('tooLarge');
    if (header.length === 0) this.#finish(header);
  }

  #readData(chunk: Buffer): Buffer {
    const header = this.#header;
    if (header === undefined) return chunk;
    const count = Math.min(chunk.byteLength, header.length - this.#fill);
    if (!this.#isSkipping) this.#keep(header, chunk.subarray(0, count));
    this.#fill += count;
    if (this.#fill === header.length) this.#finish(header);
    return chunk.subarray(count);
  }

  #keep(header: FrameHeader, piece: Buffer): void {
    const needed = this.#fill + piece.byteLength;
    if (needed > this.#data.byteLength && !this.#grow(header, needed)) {
      this.#refuse('overloaded');
      return;
    }
    piece.copy(this.#data, this.#fill);
  }

  /** Doubles the buffer, so that a frame that arrives byte by byte is not copied for each of them. */
  #grow(header: FrameHeader, needed: number): boolean {
    const size = Math.min(header.length, Math.max(needed, 2 * this.#data.byteLength, FIRST_BYTES));
    const wanted = size > FREE_FRAME_BYTES ? size - this.#taken : 0;
    if (!this.#options.budget.take(wanted)) return false;
    this.#taken += wanted;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#data.copy(grown, 0, 0, this.#fill);
    this.#data = grown;
    return true;
  }

  #refuse(refusal: Refusal): void {
    this.#drop();
    this.#isSkipping = true;
    if (this.#header !== undefined) this.#options.onRefused(this.#header, refusal);
  }

  #finish(header: FrameHeader): void {
    const [data, taken, isSkipping] = [this.#data, this.#taken, this.#isSkipping];
    this.#header = undefined;
    this.#headerFill = 0;
    this.#data = Buffer.alloc(0);
    this.#taken = 0;
    this.#isSkipping = false;
    if (isSkipping) return;
    const { budget, onFrame } = this.#options;
    let isHeld = true;
    onFrame(header, data, () => {
      if (isHeld) budget.give(taken);
      isHeld = false;
    });
  }
}
