import { FIRST_PACE, type Pace, type PaceRule, type PaceSample, slowDown } from './pace.ts';

export interface ConnectionPaceOptions {
  readonly decidePace: PaceRule;
  readonly maxConnections: number;
}

/** New connections get this many windows to open before it is judged what they bring. */
const SETTLING_WINDOWS = 4;

/**
 * The number of connections that one blob may use. It is decided again after each window in which throughput is
 * measured.
 */
export class ConnectionPace {
  readonly #options: ConnectionPaceOptions;
  #pace: Pace = FIRST_PACE;
  /** Windows that new connections still have to open. */
  #settlingWindows = 0;

  constructor(options: ConnectionPaceOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#pace.connections;
  }

  /** Counts a window. Returns true if it must not be judged, because new connections are still opening. */
  skipsWindow(hasUnanswered: boolean): boolean {
    if (this.#settlingWindows === 0) return false;
    this.#settlingWindows = hasUnanswered ? this.#settlingWindows - 1 : 0;
    return hasUnanswered;
  }

  /** Decides on the number of connections after a window. */
  judge(sample: PaceSample): void {
    const { connections } = this.#pace;
    this.#pace = this.#options.decidePace(this.#pace, sample, this.#options.maxConnections);
    if (this.#pace.connections > connections) this.#settlingWindows = SETTLING_WINDOWS;
  }

  /** Halves the number of connections. */
  slowDown(): void {
    this.#pace = slowDown(this.#pace);
  }

  /** Stops waiting for new connections. Returns true if some were waited for. */
  endSettling(): boolean {
    const wasSettling = this.#settlingWindows > 0;
    this.#settlingWindows = 0;
    return wasSettling;
  }
}
