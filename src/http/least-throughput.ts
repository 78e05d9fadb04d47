import type { TransportClock } from './types.ts';

export interface LeastThroughputOptions {
  readonly clock: Pick<TransportClock, 'now'>;
  /** Milliseconds of our own back-pressure so far, which do not count against the server. */
  readonly blockedMs: () => number;
  readonly windowMs: number;
  readonly minBytes: number;
}

/**
 * Finds a connection that brings too little. It measures in windows of time, and a window ends with a chunk: a connection
 * that brings nothing at all is a stall, which has a clock of its own.
 */
export class LeastThroughput {
  readonly #options: LeastThroughputOptions;
  #startMs: number;
  #blockedBeforeMs: number;
  #pausedSinceMs: number | undefined;
  #bytes = 0;

  /** The first window begins now. */
  constructor(options: LeastThroughputOptions) {
    this.#options = options;
    this.#startMs = options.clock.now();
    this.#blockedBeforeMs = options.blockedMs();
  }

  /** Counts a chunk. Returns the bytes of the window if the chunk ends it and they are too few. */
  note(bytes: number): number | undefined {
    const { clock, blockedMs, windowMs, minBytes } = this.#options;
    this.#bytes += bytes;
    const now = clock.now();
    if (now - this.#startMs - (blockedMs() - this.#blockedBeforeMs) < windowMs) return undefined;
    const received = this.#bytes;
    this.#bytes = 0;
    this.#startMs = now;
    this.#blockedBeforeMs = blockedMs();
    return received < minBytes ? received : undefined;
  }

  /** The connection is held back until `resume`. */
  pause(): void {
    this.#pausedSinceMs ??= this.#options.clock.now();
  }

  resume(): void {
    if (this.#pausedSinceMs === undefined) return;
    this.#startMs += this.#options.clock.now() - this.#pausedSinceMs;
    this.#pausedSinceMs = undefined;
  }
}
