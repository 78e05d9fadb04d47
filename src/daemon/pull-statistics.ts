import type { ErrorCode } from '../errors/index.ts';

/** How a pull ended. */
export type PullOutcome = 'ok' | ErrorCode;

/** Durations of pulls, counted in a histogram. */
export interface PullTimes {
  /** Upper bounds in seconds, ascending. */
  readonly bounds: readonly number[];
  /** One number for each bound; pulls that took longer than the last bound are in `count` only. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Numbers about the pulls since the start of the daemon. */
export interface PullCounts {
  /** Pulls that were requested and are not answered, including those that wait for a slot. */
  readonly underWay: number;
  readonly outcomes: ReadonlyMap<PullOutcome, number>;
  readonly ok: PullTimes;
  readonly failed: PullTimes;
  /** Bytes of layers that were fetched and accepted, compressed as they came. */
  readonly fetchedBytes: number;
}

/** 60, 120 and 1 200 are the default time-outs of the runtime, the kubelet and the kata agent. */
const BOUNDS = [0.1, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1_200] as const;

class Times implements PullTimes {
  readonly bounds = BOUNDS;
  readonly counts: number[] = BOUNDS.map(() => 0);
  sum = 0;
  count = 0;

  add(seconds: number): void {
    const at = BOUNDS.findIndex((bound) => seconds <= bound);
    if (at !== -1) this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += seconds;
    this.count += 1;
  }
}

/** Counts the pulls of the daemon. The amount of numbers is bounded by the number of error codes. */
export class PullStatistics implements PullCounts {
  readonly outcomes = new Map<PullOutcome, number>();
  readonly ok = new Times();
  readonly failed = new Times();
  underWay = 0;
  fetchedBytes = 0;

  /** Call when a pull starts; returns a callback to invoke once with its outcome. */
  begin(): (outcome: PullOutcome, seconds: number) => void {
    this.underWay += 1;
    return (outcome, seconds) => {
      this.underWay -= 1;
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
      (outcome === 'ok' ? this.ok : this.failed).add(seconds);
    };
  }

  addFetched(bytes: number): void {
    this.fetchedBytes += bytes;
  }
}
