import type { ErrorCode } from '../errors/index.ts';

/** What a pull ended with. */
export type PullOutcome = 'ok' | ErrorCode;

/** How long pulls took, counted by their upper bounds. */
export interface PullTimes {
  /** In seconds, rising. */
  readonly bounds: readonly number[];
  /** One for each bound; what took longer than the last is in `count` only. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** All there is to tell of the pulls since the start. */
export interface PullCounts {
  /** Asked for and not answered, those included that wait for their turn. */
  readonly underWay: number;
  readonly outcomes: ReadonlyMap<PullOutcome, number>;
  readonly ok: PullTimes;
  readonly failed: PullTimes;
  /** Of layers that were fetched and accepted. */
  readonly fetchedBytes: number;
}

/** 60, 120 and 1 200 are where the runtime, the kubelet and the kata agent give up, unless told otherwise. */
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

/** Counts what the daemon does. As many numbers as there are codes, whatever is pulled. */
export class PullStatistics implements PullCounts {
  readonly outcomes = new Map<PullOutcome, number>();
  readonly ok = new Times();
  readonly failed = new Times();
  underWay = 0;
  fetchedBytes = 0;

  /** A pull was asked for; answers what is called once with its end. */
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
