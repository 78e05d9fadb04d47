import type { Budget } from './budget.ts';
import { FRAME_HEADER_BYTES, type FrameHeader, parseFrameHeader } from './frame.ts';

/** Frames up to this size are always read, so that big ones in the making keep nobody from small calls. */
export const FREE_FRAME_BYTES = 16 * 1_024;
/** What a frame is given before more of it has come. */
const FIRST_BYTES = 1_024;

/** What a socket without an encoding emits, which its types do not know. */
export function asBytes(chunk: Buffer | string): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;
}

/** Why the data of a frame was thrown away. */
export type Refusal = 'tooLarge' | 'overloaded';

export interface FrameReaderOptions {
  readonly maxBytes: number;
  readonly budget: Budget;
  /** A whole frame; `data` belongs to the callee, who calls `release` when it is done with it. */
  readonly onFrame: (header: FrameHeader, data: Buffer, release: () => void) => void;
  /** Called once for a frame that is too much, as soon as that is clear; the rest of it is skipped. */
  readonly onRefused: (header: FrameHeader, refusal: Refusal) => void;
}

/**
 * Cuts a stream of bytes into frames, however it is chopped up. What is held grows with the bytes that came, never with
 * the length that a header claims. All bytes are attacker-controlled.
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

  /** Frames begun so far: the same number as before means that still the same frame is in the making. */
  get frames(): number {
    return this.#frames;
  }

  /** Part of a frame has come, and the rest has not. */
  get isMidFrame(): boolean {
    return this.#headerFill > 0;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.byteLength > 0) rest = this.#header === undefined ? this.#readHeader(rest) : this.#readData(rest);
  }

  /** Gives back what a frame in the making holds. Nothing may be pushed afterwards. */
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

  /** Doubles, so that a frame that comes byte by byte is not copied as often. */
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
