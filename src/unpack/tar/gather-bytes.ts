/**
 * Brings together a run of bytes that may be spread over chunks. A run that lies in one chunk is not copied: `bytes`
 * and `start` then point into the chunk and hold only until its `write` returns.
 */
export class GatherBytes {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  #store = new Uint8Array(512);
  #wanted = 0;
  #filled = 0;

  /** How much of the run is here. */
  get filled(): number {
    return this.#filled;
  }

  begin(wanted: number): void {
    this.#wanted = wanted;
    this.#filled = 0;
    if (wanted > this.#store.length) this.#store = new Uint8Array(wanted);
  }

  /** Takes what it needs of `chunk` from `at` on; returns how much. `isComplete` says whether the run is whole. */
  take(chunk: Uint8Array, at: number): number {
    const missing = this.#wanted - this.#filled;
    if (this.#filled === 0 && chunk.length - at >= missing) {
      this.bytes = chunk;
      this.start = at;
      this.#filled = this.#wanted;
      return missing;
    }
    const part = chunk.subarray(at, at + missing);
    this.#store.set(part, this.#filled);
    this.#filled += part.length;
    this.bytes = this.#store;
    this.start = 0;
    return part.length;
  }

  get isComplete(): boolean {
    return this.#filled === this.#wanted;
  }
}
