import type { ErrorCode } from '../errors/index.ts';
import type { ProgressEvent } from '../pull/index.ts';
import type { ResourceLoad } from '../resources/index.ts';

/** How a pull ended. */
export type PullOutcome = 'ok' | ErrorCode;

/** Durations, counted in a histogram. */
export interface PullTimes {
  /** Upper bounds in seconds, ascending. */
  readonly bounds: readonly number[];
  /** One number for each bound; what took longer than the last bound is in `count` only. */
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
  readonly verdicts: VerdictCounts;
  /** Documents that the configuration names, by source and result. */
  readonly resources: PairCounts;
}

/** One number for each pair of names. */
export type PairCounts = Iterable<readonly [first: string, second: string, count: number]>;

/** Numbers about the decisions of the policy gate. Every name is one of a known set. */
export interface VerdictCounts {
  /** By type of the requirement and result. */
  readonly requirements: PairCounts;
  /** By kind of the signature and result. */
  readonly signatures: PairCounts;
  readonly accepted: PullTimes;
  readonly refused: PullTimes;
}

/** 60, 120 and 1 200 are the default time-outs of the runtime, the kubelet and the kata agent. */
const PULL_BOUNDS = [0.1, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1_200] as const;
/** Verifying one signature takes tens of milliseconds; a check may take ten seconds at most. */
const VERDICT_BOUNDS = [0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60] as const;

class Times implements PullTimes {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  add(seconds: number): void {
    const at = this.bounds.findIndex((bound) => seconds <= bound);
    if (at !== -1) this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += seconds;
    this.count += 1;
  }
}

class Pairs implements PairCounts {
  readonly #counts = new Map<string, Map<string, number>>();

  add(first: string, second: string): void {
    const counts = this.#counts.get(first) ?? new Map<string, number>();
    this.#counts.set(first, counts);
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }

  *[Symbol.iterator](): Generator<readonly [string, string, number]> {
    for (const [first, counts] of this.#counts) for (const [second, count] of counts) yield [first, second, count];
  }
}

/** Counts the pulls of the daemon. The amount of numbers is bounded by the number of error codes. */
export class PullStatistics implements PullCounts {
  readonly outcomes = new Map<PullOutcome, number>();
  readonly ok = new Times(PULL_BOUNDS);
  readonly failed = new Times(PULL_BOUNDS);
  readonly verdicts = {
    requirements: new Pairs(),
    signatures: new Pairs(),
    accepted: new Times(VERDICT_BOUNDS),
    refused: new Times(VERDICT_BOUNDS),
  };
  readonly resources = new Pairs();
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

  /** Counts what a pull reports: layers that were accepted, and the decision of the policy gate. */
  addProgress(event: ProgressEvent): void {
    if (event.type === 'layer' && event.state === 'done') this.fetchedBytes += event.total;
    if (event.type === 'verdict') this.#addVerdict(event);
  }

  /** Counts a document that a pull has loaded, or has failed to load. */
  addResource({ source, result }: ResourceLoad): void {
    this.resources.add(source, result);
  }

  #addVerdict({ result, seconds, summary }: Extract<ProgressEvent, { type: 'verdict' }>): void {
    const { requirements, signatures, accepted, refused } = this.verdicts;
    for (const { type, result: each } of summary.requirements) requirements.add(type, each);
    for (const { kind, result: each } of summary.signatures) signatures.add(kind, each);
    (result === 'accepted' ? accepted : refused).add(seconds);
  }
}
