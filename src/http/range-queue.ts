import { SealiftError } from '../errors/index.ts';
import { type RangeBudget, SLICE_BYTES } from './range-budget.ts';
import { RangeSegment, type SlicePool, slicesFor } from './range-segment.ts';

export interface RangeQueueOptions {
  /** Size of the whole blob in bytes. */
  readonly size: number;
  readonly rangeBytes: number;
  readonly budget: RangeBudget;
  readonly pool: SlicePool;
}

/** The ranges of one blob that are planned and not yet delivered, in order and without gaps. */
export class RangeQueue {
  readonly #options: RangeQueueOptions;
  readonly #segments: RangeSegment[] = [];
  /** Where the next range begins; undefined while none may be planned. */
  #next: number | undefined;

  constructor(options: RangeQueueOptions) {
    this.#options = options;
  }

  get first(): RangeSegment | undefined {
    return this.#segments[0];
  }

  /** Plans further ranges from `offset` on, or none if it is undefined. */
  continueAt(offset: number | undefined): void {
    this.#next = offset;
  }

  /** Returns the first range that waits for a request, an interrupted one included. */
  findWaiting(): RangeSegment | undefined {
    return this.#segments.find(({ state }) => state === 'waiting');
  }

  /**
   * Adds a range behind the last one, for one of several `connections`. Returns undefined if there is no memory for it.
   */
  plan(connections: number): RangeSegment | undefined {
    const { size, rangeBytes, budget, pool } = this.#options;
    const start = this.#next;
    if (connections === 1 || start === undefined || start === size) return undefined;
    const remaining = size - start;
    const least = Math.min(remaining, Math.ceil(rangeBytes / 4));
    // Towards the end, every connection gets its part of what is left.
    const wanted = Math.min(remaining, rangeBytes, Math.max(least, Math.ceil(remaining / connections)));
    const granted = budget.take(slicesFor(wanted), slicesFor(least));
    if (granted === 0) return undefined;
    const length = Math.min(wanted, granted * SLICE_BYTES);
    const segment = new RangeSegment({ start, length, granted }, { budget, pool });
    this.#segments.push(segment);
    this.#next = segment.end;
    return segment;
  }

  /** Removes the first range, which has been delivered. */
  shift(): void {
    this.#segments.shift();
  }

  /** Removes all ranges without dropping them. */
  takeAll(): readonly RangeSegment[] {
    return this.#segments.splice(0);
  }

  /** Drops all ranges and plans no further ones. */
  clear(): void {
    dropRanges(this.takeAll());
    this.#next = undefined;
  }

  /** Cuts a range where its bytes end and drops all ranges behind it. Does nothing if the range has been delivered. */
  endWith(segment: RangeSegment): void {
    const index = this.#segments.indexOf(segment);
    if (index === -1) return;
    dropRanges(this.#segments.splice(index + 1));
    segment.truncate();
    this.#next = segment.end;
  }
}

/** Ends the connections of ranges that are no longer needed and gives their memory back. */
export function dropRanges(segments: Iterable<RangeSegment>): void {
  const reason = new SealiftError('PULL_CANCELLED', 'range is no longer needed');
  for (const segment of segments) segment.drop(reason);
}
