import { SLICE_BYTES } from './range-budget.ts';

export interface FrontLeadOptions {
  readonly rangeBytes: number;
  readonly windowMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The lead lasts this many windows, and this many times as long as the front waited for its own response. */
const LEAD_WINDOWS = 1.5;
const LEAD_ANSWERS = 4;
/** After this many late ranges in a row, the server seems to keep additional connections waiting. */
const MAX_LATE_RANGES = 3;

/**
 * The distance from the front to the first range. It is long enough to show what a second connection brings before the
 * front arrives there, and doubles each time that a range had not begun by then.
 */
export class FrontLead {
  readonly #options: FrontLeadOptions;
  #requestedAt = 0;
  /** How long the front waited for its response, including connection and redirects. */
  #answerMs = 0;
  /** Throughput of the last window that was judged. */
  #bytesPerMs = 0;
  #lateRanges = 0;

  constructor(options: FrontLeadOptions) {
    this.#options = options;
  }

  noteRequest(): void {
    this.#requestedAt = this.#options.now();
  }

  noteAnswer(): void {
    this.#answerMs = this.#options.now() - this.#requestedAt;
  }

  noteThroughput(bytesPerMs: number): void {
    this.#bytesPerMs = bytesPerMs;
  }

  /** The first range had begun when the front arrived there. */
  noteOnTime(): void {
    this.#lateRanges = 0;
  }

  /** The first range had not begun when the front arrived there. Returns true once that has happened too often. */
  noteLate(): boolean {
    this.#lateRanges = Math.min(this.#lateRanges + 1, MAX_LATE_RANGES);
    return this.#lateRanges === MAX_LATE_RANGES;
  }

  get bytes(): number {
    const { rangeBytes, windowMs } = this.#options;
    const leadMs = (LEAD_WINDOWS * windowMs + LEAD_ANSWERS * this.#answerMs) * 2 ** this.#lateRanges;
    return Math.max(rangeBytes, SLICE_BYTES, Math.ceil(this.#bytesPerMs * leadMs));
  }
}
