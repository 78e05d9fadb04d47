import { setImmediate } from 'node:timers/promises';
import { type RangeBudget, SLICE_BYTES, SlicePool, slicesFor } from '../http/index.ts';

/** Of one blob: its neighbours ahead are to have some as well. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

export interface HeldBytesOptions {
  /** Memory of the process for what has come and cannot be used yet. */
  readonly budget: RangeBudget;
  /** The thread waits for the wire; otherwise bytes may as well wait in their socket. */
  readonly isWireBound: () => boolean;
}

/** The beginning of a blob that has come before its turn. */
export class HeldBytes {
  readonly #options: HeldBytesOptions;
  readonly #pool = new SlicePool();
  readonly #slices: Buffer[] = [];
  /** In all slices. */
  #bytes = 0;

  constructor(options: HeldBytesOptions) {
    this.#options = options;
  }

  /** Keeps a copy, or says that there is no room for it. */
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

  /** Hands on what is held, the oldest first, with a turn of the loop after each slice. Nothing is kept any more. */
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

  /** Gives all memory back. */
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
