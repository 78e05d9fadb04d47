import type { PaceSample } from './pace.ts';

export interface ThroughputMeterOptions {
  readonly windowMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds that the thread has been idle so far, waiting for events. */
  readonly idleMs: () => number;
}

/** Measures throughput in windows. A window ends with a chunk, so no timer is needed. */
export class ThroughputMeter {
  readonly #options: ThroughputMeterOptions;
  #receivedBytes = 0;
  #heldMs = 0;
  #heldSince: number | undefined;
  #start: { readonly at: number; readonly bytes: number; readonly idleMs: number; readonly heldMs: number } | undefined;

  constructor(options: ThroughputMeterOptions) {
    this.#options = options;
  }

  /** Bytes received so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Counts a chunk. Returns the measurements of a window if the chunk ends it. */
  note(bytes: number): PaceSample | undefined {
    this.#receivedBytes += bytes;
    const start = this.#start;
    if (start === undefined) return this.restart();
    const now = this.#options.now();
    const elapsedMs = now - start.at;
    if (elapsedMs < this.#options.windowMs) return undefined;
    const idleMs = this.#options.idleMs() - start.idleMs - (this.#heldUntil(now) - start.heldMs);
    const sample = {
      bytesPerMs: (this.#receivedBytes - start.bytes) / elapsedMs,
      idleShare: Math.max(0, idleMs) / elapsedMs,
    };
    this.restart();
    return sample;
  }

  /** Starts a new window now. */
  restart(): undefined {
    const { now, idleMs } = this.#options;
    const at = now();
    this.#start = { at, bytes: this.#receivedBytes, idleMs: idleMs(), heldMs: this.#heldUntil(at) };
  }

  /** Waits for a writer. The thread is then idle because of the writer and not because of the network. */
  async hold(pending: Promise<void>): Promise<void> {
    this.#heldSince = this.#options.now();
    try {
      await pending;
    } finally {
      this.#heldMs = this.#heldUntil(this.#options.now());
      this.#heldSince = undefined;
    }
  }

  #heldUntil(now: number): number {
    return this.#heldSince === undefined ? this.#heldMs : this.#heldMs + now - this.#heldSince;
  }
}
