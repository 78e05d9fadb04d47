import { type RangeBudget, SLICE_BYTES } from './range-budget.ts';

/**
 * Slices into which ranges are received. They are off-heap, are reused, and are freed at once when no blob needs them.
 */
export class SlicePool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.from(new ArrayBuffer(SLICE_BYTES));
  }

  put(slice: Buffer): void {
    this.#free.push(slice);
  }

  /** Frees the unused slices without waiting for the garbage collector. */
  trim(): void {
    for (const slice of this.#free.splice(0)) (slice.buffer as ArrayBuffer).transfer(0);
  }
}

export function slicesFor(bytes: number): number {
  return Math.ceil(bytes / SLICE_BYTES);
}

/** A range waits for a request, has one in progress, is completely received, or is no longer needed. */
export type SegmentState = 'waiting' | 'requested' | 'whole' | 'dropped';

/** One range of a blob. It is received at any speed and delivered from its beginning, slice by slice. */
export class RangeSegment {
  readonly start: number;
  readonly #abort = new AbortController();
  state: SegmentState = 'waiting';
  /** True once a byte of it was received. */
  wasAnswered = false;
  readonly #memory: { readonly budget: RangeBudget; readonly pool: SlicePool };
  readonly #slices: (Buffer | undefined)[] = [];
  #length: number;
  /** Slices of the budget that the range still holds. */
  #granted: number;
  #received = 0;
  #delivered = 0;
  /** The index of the slice that a writer is reading. */
  #lent: number | undefined;

  /** `granted` is the number of slices taken from the budget for this range, enough for its length. */
  constructor(
    bounds: { readonly start: number; readonly length: number; readonly granted: number },
    memory: { readonly budget: RangeBudget; readonly pool: SlicePool },
  ) {
    this.start = bounds.start;
    this.#length = bounds.length;
    this.#granted = bounds.granted;
    this.#memory = memory;
  }

  /** Position of the first byte behind the range. */
  get end(): number {
    return this.start + this.#length;
  }

  /** Position of the next byte to receive. */
  get position(): number {
    return this.start + this.#received;
  }

  /** Aborted when the range is dropped. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get missingBytes(): number {
    return this.#length - this.#received;
  }

  get isDropped(): boolean {
    return this.state === 'dropped';
  }

  get isDelivered(): boolean {
    return this.#delivered === this.#length;
  }

  /** Copies the chunk, which must not be longer than the missing bytes. */
  append(chunk: Uint8Array): void {
    for (let taken = 0; taken < chunk.length; ) {
      const offset = this.#received % SLICE_BYTES;
      const part = chunk.subarray(taken, taken + SLICE_BYTES - offset);
      this.#slice(Math.floor(this.#received / SLICE_BYTES)).set(part, offset);
      taken += part.length;
      this.#received += part.length;
    }
  }

  /** Returns the next slice to deliver, once it is complete. The caller calls `shift` when it has finished with it. */
  next(): Uint8Array | undefined {
    const end = Math.min(this.#delivered + SLICE_BYTES, this.#length);
    if (this.#received < end || end === this.#delivered) return undefined;
    this.#lent = this.#delivered / SLICE_BYTES;
    return this.#slices[this.#lent]?.subarray(0, end - this.#delivered);
  }

  /** Frees the slice that `next` returned. */
  shift(): void {
    if (this.isDropped) return;
    const index = this.#delivered / SLICE_BYTES;
    this.#lent = undefined;
    this.#delivered = Math.min(this.#delivered + SLICE_BYTES, this.#length);
    this.#free(index);
    this.#give(1);
  }

  /** Ends the range after the bytes that were received. */
  truncate(): void {
    this.#length = this.#received;
    this.state = 'whole';
    this.#give(this.#granted - (slicesFor(this.#received) - Math.ceil(this.#delivered / SLICE_BYTES)));
  }

  /** Ends the connection and gives the memory back, except for the slice that a writer may still read. */
  drop(reason: Error): void {
    if (this.isDropped) return;
    this.state = 'dropped';
    this.#abort.abort(reason);
    for (const index of this.#slices.keys()) if (index !== this.#lent) this.#free(index);
    this.#give(this.#granted);
  }

  #slice(index: number): Buffer {
    const slice = this.#slices[index] ?? this.#memory.pool.take();
    this.#slices[index] = slice;
    return slice;
  }

  #free(index: number): void {
    const slice = this.#slices[index];
    if (slice === undefined) return;
    this.#slices[index] = undefined;
    this.#memory.pool.put(slice);
  }

  #give(slices: number): void {
    this.#granted -= slices;
    this.#memory.budget.give(slices);
  }
}
