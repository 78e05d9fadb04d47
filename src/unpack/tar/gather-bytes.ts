/**
 * Collects a run of bytes that may be spread over several chunks. A run that lies in one chunk is not copied: `bytes`
 * and `start` then point into the chunk and are valid only until the `write` of that chunk returns.
 */
export class GatherBytes {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  #store = new Uint8Array(512);
  #wanted = 0;
  #filled = 0;

  /** The number of bytes collected so far. */
  get filled(): number {
    return this.#filled;
  }

  begin(wanted: number): void {
    this.#wanted = wanted;
    this.#filled = 0;
    if (wanted > this.#store.length) this.#store = new Uint8Array(wanted);
  }

  /** Takes the bytes that the run still lacks from `chunk`, starting at `at`; returns how many it took. */
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

  /** True once the whole run is collected. */
  get isComplete(): boolean {
    return this.#filled === this.#wanted;
  }
}
