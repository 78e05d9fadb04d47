import { setImmediate } from 'node:timers/promises';
import { type RangeBudget, SLICE_BYTES, SlicePool, slicesFor } from '../http/index.ts';

/** The bound for one blob, so that other blobs in the queue can hold bytes too. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

export interface HeldBytesOptions {
  /** Memory of the process for bytes that were received and cannot be used yet. */
  readonly budget: RangeBudget;
  /** True if the thread mostly waits for the network. Otherwise bytes are not held: they wait in their socket. */
  readonly isWireBound: () => boolean;
}

/** The beginning of a blob that was received before its slot began. */
export class HeldBytes {
  readonly #options: HeldBytesOptions;
  readonly #pool = new SlicePool();
  readonly #slices: Buffer[] = [];
  /** How many bytes all slices hold. */
  #bytes = 0;

  constructor(options: HeldBytesOptions) {
    this.#options = options;
  }

  /** Keeps a copy of the chunk. Returns false, and keeps nothing, if there is no room. */
  keep(chunk: Uint8Array): boolean {
    const { budget, isWireBound } = this.#options;
    const bytes = this.#bytes + chunk.length;
    const missing = slicesFor(bytes) - this.#slices.length;
    if (bytes > MAX_HELD_BYTES || !isWireBound()) return false;
    if (missing > 0 && budget.take(missing, missing) === 0) return false;
    for (let number = 0; number < missing; number += 1) this.#slices.push(this.#pool.take());
    this.#append(chunk);
    return true;
  }

  /** Writes the held bytes in order and frees them. After each slice the event loop runs once. */
  async handOn(write: (bytes: Uint8Array) => void | Promise<void>): Promise<void> {
    for (let slice = this.#slices[0]; slice !== undefined; slice = this.#slices[0]) {
      const length = Math.min(this.#bytes, SLICE_BYTES);
      await write(slice.subarray(0, length));
      this.#slices.shift();
      this.#bytes -= length;
      this.#free([slice]);
      await setImmediate();
    }
  }

  /** Frees all memory. */
  close(): void {
    this.#free(this.#slices.splice(0));
    this.#bytes = 0;
  }

  #append(chunk: Uint8Array): void {
    for (let taken = 0; taken < chunk.length; ) {
      const offset = this.#bytes % SLICE_BYTES;
      const part = chunk.subarray(taken, taken + SLICE_BYTES - offset);
      this.#slices[Math.floor(this.#bytes / SLICE_BYTES)]?.set(part, offset);
      taken += part.length;
      this.#bytes += part.length;
    }
  }

  #free(slices: readonly Buffer[]): void {
    for (const slice of slices) this.#pool.put(slice);
    this.#pool.trim();
    this.#options.budget.give(slices.length);
  }
}
