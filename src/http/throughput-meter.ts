import type { PaceSample } from './pace.ts';

export interface ThroughputMeterOptions {
  readonly windowMs: number;
  /** Monotonic. */
  readonly now: () => number;
  /** Milliseconds that the thread has slept so far, waiting for something to happen. */
  readonly idleMs: () => number;
}

/** Measures what comes in, window by window. A window ends with a chunk, so that nothing has to wake for it. */
export class ThroughputMeter {
  readonly #options: ThroughputMeterOptions;
  #receivedBytes = 0;
  #heldMs = 0;
  #heldSince: number | undefined;
  #start: { readonly at: number; readonly bytes: number; readonly idleMs: number; readonly heldMs: number } | undefined;

  constructor(options: ThroughputMeterOptions) {
    this.#options = options;
  }

  /** All that has come so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Counts a chunk. Returns the window that it ends, if it does. */
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

  /** Begins a window now. */
  restart(): undefined {
    const { now, idleMs } = this.#options;
    const at = now();
    this.#start = { at, bytes: this.#receivedBytes, idleMs: idleMs(), heldMs: this.#heldUntil(at) };
  }

  /** Waits for a writer; the wire cannot help that the thread sleeps meanwhile. */
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
