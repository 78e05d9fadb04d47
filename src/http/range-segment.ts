import { type RangeBudget, SLICE_BYTES } from './range-budget.ts';

/** Slices that ranges are received into; used again, outside of the heap, and freed at once when no blob needs them. */
export class SlicePool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.from(new ArrayBuffer(SLICE_BYTES));
  }

  put(slice: Buffer): void {
    this.#free.push(slice);
  }

  /** Frees what nobody uses, without waiting for the collector. */
  trim(): void {
    for (const slice of this.#free.splice(0)) (slice.buffer as ArrayBuffer).transfer(0);
  }
}

export function slicesFor(bytes: number): number {
  return Math.ceil(bytes / SLICE_BYTES);
}

/** How far a range is: to be asked for, on a connection, or all there. */
export type SegmentState = 'waiting' | 'requested' | 'whole' | 'dropped';

/** One range of a blob: received in any pace, delivered from its beginning, slice by slice. */
export class RangeSegment {
  readonly start: number;
  readonly abort = new AbortController();
  state: SegmentState = 'waiting';
  /** A byte of it has come. */
  wasAnswered = false;
  readonly #memory: { readonly budget: RangeBudget; readonly pool: SlicePool };
  readonly #slices: (Buffer | undefined)[] = [];
  #length: number;
  /** Slices of the budget that it still holds. */
  #granted: number;
  #received = 0;
  #delivered = 0;
  /** The slice that a writer is at. */
  #lent: number | undefined;

  /** `granted`: slices of the budget that were taken for it, enough for its length. */
  constructor(
    bounds: { readonly start: number; readonly length: number; readonly granted: number },
    memory: { readonly budget: RangeBudget; readonly pool: SlicePool },
  ) {
    this.start = bounds.start;
    this.#length = bounds.length;
    this.#granted = bounds.granted;
    this.#memory = memory;
  }

  /** Of the first byte behind it. */
  get end(): number {
    return this.start + this.#length;
  }

  /** Of the byte to come next. */
  get position(): number {
    return this.start + this.#received;
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

  /** Keeps a copy; at most as much as is missing. */
  append(chunk: Uint8Array): void {
    for (let taken = 0; taken < chunk.length; ) {
      const offset = this.#received % SLICE_BYTES;
      const part = chunk.subarray(taken, taken + SLICE_BYTES - offset);
      this.#slice(Math.floor(this.#received / SLICE_BYTES)).set(part, offset);
      taken += part.length;
      this.#received += part.length;
    }
  }

  /** The next slice to deliver, once it is complete. The caller says `shift` when it is done with it. */
  next(): Uint8Array | undefined {
    const end = Math.min(this.#delivered + SLICE_BYTES, this.#length);
    if (this.#received < end || end === this.#delivered) return undefined;
    this.#lent = this.#delivered / SLICE_BYTES;
    return this.#slices[this.#lent]?.subarray(0, end - this.#delivered);
  }

  shift(): void {
    if (this.isDropped) return;
    const index = this.#delivered / SLICE_BYTES;
    this.#lent = undefined;
    this.#delivered = Math.min(this.#delivered + SLICE_BYTES, this.#length);
    this.#free(index);
    this.#give(1);
  }

  /** Makes what has come the whole of it. */
  truncate(): void {
    this.#length = this.#received;
    this.state = 'whole';
    this.#give(this.#granted - (slicesFor(this.#received) - Math.ceil(this.#delivered / SLICE_BYTES)));
  }

  /** Ends its connection and gives back its memory, all but what a writer may still read. */
  drop(reason: Error): void {
    if (this.isDropped) return;
    this.state = 'dropped';
    this.abort.abort(reason);
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
