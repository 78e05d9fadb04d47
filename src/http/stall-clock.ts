import type { TransportClock } from './types.ts';

export interface StallClockOptions {
  readonly clock: TransportClock;
  /** Milliseconds of our own back-pressure so far, which do not count against the server. */
  readonly blockedMs: () => number;
  readonly onStall: () => void;
}

/** Calls `onStall` when a server has sent nothing for too long while Sealift was ready to receive. */
export class StallClock {
  readonly #options: StallClockOptions;
  #limitMs = 0;
  #lastActivityMs = 0;
  #blockedBeforeMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(options: StallClockOptions) {
    this.#options = options;
  }

  /** Starts the clock, or restarts it with another limit. */
  start(limitMs: number): void {
    this.#limitMs = limitMs;
    this.#running = true;
    this.noteActivity();
    this.#watch();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  noteActivity(): void {
    this.#lastActivityMs = this.#options.clock.now();
    this.#blockedBeforeMs = this.#options.blockedMs();
  }

  #remainingMs(): number {
    const blockedMs = this.#options.blockedMs() - this.#blockedBeforeMs;
    return this.#limitMs - (this.#options.clock.now() - this.#lastActivityMs - blockedMs);
  }

  #watch = (): void => {
    if (!this.#running) return;
    clearTimeout(this.#timer);
    const remainingMs = this.#remainingMs();
    if (remainingMs > 0) this.#timer = setTimeout(this.#watch, Math.ceil(remainingMs));
    // After the thread was blocked, timers run before sockets are read, so check again after that.
    else setImmediate(this.#judge);
  };

  #judge = (): void => {
    if (!this.#running) return;
    if (this.#remainingMs() > 0) this.#watch();
    else this.#options.onStall();
  };
}
