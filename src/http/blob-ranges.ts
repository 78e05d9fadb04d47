import { setImmediate } from 'node:timers/promises';
import { cancellation, raceCancellation, SealiftError } from '../errors/index.ts';
import type { BlobAccess } from './blob-access.ts';
import type { BlobProgress } from './blob-progress.ts';
import type { BlobTries } from './blob-tries.ts';
import { ConnectionPace } from './connection-pace.ts';
import type { Wire } from './exchange.ts';
import { fetchRange } from './fetch-range.ts';
import { FrontLead } from './front-lead.ts';
import type { PaceSample } from './pace.ts';
import { dropRanges, RangeQueue } from './range-queue.ts';
import type { RangeSegment } from './range-segment.ts';
import { strongEtag } from './response-head.ts';
import type { FailedAttempt } from './retry.ts';
import type { ThroughputMeter } from './throughput-meter.ts';
import type { BlobStream, ResponseHead } from './types.ts';

export interface BlobRangesOptions {
  readonly wire: Wire;
  readonly stream: BlobStream;
  readonly access: BlobAccess;
  readonly progress: BlobProgress;
  readonly tries: BlobTries;
  readonly meter: ThroughputMeter;
}

/**
 * The ranges of one blob. They are requested ahead of the front, which is one plain response, on as many connections as
 * raise throughput, and are delivered when the front has reached them. Ranges can only help: if one fails, the front
 * continues alone from there and decides whether the blob can be fetched.
 */
export class BlobRanges {
  readonly #options: BlobRangesOptions;
  /** The first range begins where the front ends. */
  readonly #queue: RangeQueue;
  readonly #pace: ConnectionPace;
  readonly #lead: FrontLead;
  /** Ranges with a request in progress. */
  readonly #requested = new Set<RangeSegment>();
  #frontRuns = false;
  /** True if no range may be planned: the blob is small, the server has no ranges, or they failed. */
  #isOff: boolean;
  #etag: string | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Resolved when there may be something new to deliver. */
  #news = Promise.withResolvers<void>();

  constructor(options: BlobRangesOptions) {
    const { wire, stream, progress } = options;
    const { limits, ranging, clock } = wire;
    const { rangeBytes } = limits;
    this.#options = options;
    this.#queue = new RangeQueue({ size: progress.size, rangeBytes, budget: ranging.budget, pool: ranging.pool });
    this.#pace = new ConnectionPace({ decidePace: ranging.decidePace, maxConnections: limits.maxRangeConnections });
    this.#lead = new FrontLead({ rangeBytes, windowMs: limits.rangeWindowMs, now: () => clock.now() });
    this.#isOff = progress.size < limits.minRangedBytes;
    if (!this.#isOff) stream.signal.addEventListener('abort', this.#abandonAll);
  }

  /** The front sends a request. */
  noteFrontRequest(): void {
    this.#frontRuns = true;
    this.#lead.noteRequest();
  }

  /** The front has a response; all ranges must belong to the blob of the first one. */
  noteFrontHead(head: ResponseHead): void {
    this.#etag ??= strongEtag(head);
    this.#lead.noteAnswer();
    if (head.headers['accept-ranges']?.[0]?.trim().toLowerCase() === 'none') this.#isOff = true;
  }

  /** Counts bytes that were received on any connection, and judges the window that they end. */
  noteReceived(bytes: number): void {
    const { meter, stream } = this.#options;
    const sample = meter.note(bytes);
    if (stream.mayAddConnections?.() === false) meter.restart();
    else if (sample !== undefined && !this.#isOff) this.#judge(sample);
  }

  /** Where the front ends, as far as is known now. */
  get frontEnd(): number {
    const { first } = this.#queue;
    return this.#frontRuns && first !== undefined ? first.start : this.#options.progress.size;
  }

  /**
   * Call when the front has reached `frontEnd`. Returns false if the front must continue, as no range has begun there.
   */
  takeOver(): boolean {
    const { first } = this.#queue;
    if (first === undefined) return false;
    if (first.wasAnswered) {
      this.#frontRuns = false;
      this.#lead.noteOnTime();
      return true;
    }
    if (this.#lead.noteLate()) this.#pace.slowDown();
    this.#retreat();
    return false;
  }

  /** Requests as many ranges as connections and memory allow. */
  requestMore(): void {
    const { tries } = this.#options;
    while (!tries.isPausing && this.#requested.size < this.#allowedRequests()) {
      const segment = this.#queue.findWaiting() ?? this.#plan();
      if (segment === undefined) return;
      void this.#request(segment);
    }
  }

  /** Writes the ranges from the end of the front on, until there are none left. */
  async deliver(): Promise<void> {
    const { progress, stream } = this.#options;
    for (;;) {
      this.requestMore();
      const { first } = this.#queue;
      if (first === undefined) break;
      const slice = first.next();
      if (slice !== undefined) {
        await this.#write(slice);
        first.shift();
        progress.delivered += slice.length;
        // Between two slices, sockets are read and cancellations are noticed.
        await setImmediate();
      } else if (first.isDelivered) this.#queue.shift();
      else await raceCancellation(this.#news.promise, stream.signal);
      this.throwIfFailed();
    }
    this.#queue.continueAt(undefined);
  }

  /** Throws the cancellation, or an internal error, which no other try would change. */
  throwIfFailed(): void {
    const { signal } = this.#options.stream;
    if (signal.aborted) throw cancellation(signal);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends all connections and gives all memory back. */
  close(): void {
    this.#options.stream.signal.removeEventListener('abort', this.#abandonAll);
    this.#abandonAll();
    this.#options.wire.ranging.pool.trim();
  }

  #judge(sample: PaceSample): void {
    const { wire, progress } = this.#options;
    if (this.#pace.skipsWindow(this.#hasUnanswered())) return;
    const remaining = progress.size - progress.delivered;
    if (this.#pace.connections === 1 && remaining < wire.limits.minRangedBytes) return;
    this.#pace.judge(sample);
    this.#lead.noteThroughput(sample.bytesPerMs);
    this.#keepPace();
  }

  #keepPace(): void {
    if (this.#pace.connections === 1 && this.#frontRuns) {
      this.#queue.clear();
      return;
    }
    const isFirst = this.#frontRuns && this.#queue.first === undefined;
    if (isFirst) this.#queue.continueAt(this.#firstRange());
    this.requestMore();
    // If there was no memory for the first range, it begins further on the next time.
    if (isFirst && this.#queue.first === undefined) this.#queue.continueAt(undefined);
  }

  /** Replaces all ranges by ranges that begin further on. */
  #retreat(): void {
    const late = this.#queue.takeAll();
    for (const segment of late) this.#requested.delete(segment);
    this.#keepPace();
    // They are dropped last, so that a new request can use a connection that is being opened for one of them.
    dropRanges(late);
  }

  #firstRange(): number | undefined {
    const { delivered, size } = this.#options.progress;
    const start = delivered + this.#lead.bytes;
    return start < size ? start : undefined;
  }

  #plan(): RangeSegment | undefined {
    return this.#isOff ? undefined : this.#queue.plan(this.#pace.connections);
  }

  #allowedRequests(): number {
    return this.#pace.connections - (this.#frontRuns ? 1 : 0);
  }

  #hasUnanswered(): boolean {
    return [...this.#requested].some(({ wasAnswered }) => !wasAnswered);
  }

  async #request(segment: RangeSegment): Promise<void> {
    const { tries } = this.#options;
    const { round } = tries;
    const { position } = segment;
    segment.state = 'requested';
    this.#requested.add(segment);
    try {
      const failed = await this.#fetch(segment);
      this.#requested.delete(segment);
      if (segment.isDropped) return;
      segment.state = segment.missingBytes === 0 ? 'whole' : 'waiting';
      if (failed !== undefined && segment.missingBytes > 0) {
        // A connection that broke after it had brought bytes does not show that there are too many.
        if (round === tries.round && segment.position === position) this.#slowDown();
        await tries.waitAfter(failed, round);
      }
    } catch (error) {
      this.#giveUp(segment, error);
    } finally {
      this.#requested.delete(segment);
    }
    this.requestMore();
    this.#wakeDelivery();
  }

  #fetch(segment: RangeSegment): Promise<FailedAttempt | undefined> {
    const { wire, stream, access, progress } = this.#options;
    const onReceived = (bytes: number): void => {
      if (!segment.wasAnswered) this.#noteAnswered(segment);
      if (segment === this.#queue.first) this.#wakeDelivery();
      this.noteReceived(bytes);
    };
    const { size } = progress;
    return fetchRange(wire, { segment, access, size, etag: this.#etag, blockedMs: stream.blockedMs, onReceived });
  }

  #noteAnswered(segment: RangeSegment): void {
    segment.wasAnswered = true;
    if (!this.#hasUnanswered() && this.#pace.endSettling()) this.#options.meter.restart();
  }

  #slowDown(): void {
    this.#pace.slowDown();
    this.#pace.endSettling();
    if (this.#pace.connections === 1 && this.#frontRuns) this.#queue.clear();
  }

  /** Turns ranges off. Bytes that were received without a gap are still delivered. */
  #giveUp(segment: RangeSegment, error: unknown): void {
    if (segment.isDropped) return;
    if (!(error instanceof SealiftError) || error.kind === 'internal') this.#failure = { error };
    this.#isOff = true;
    if (this.#frontRuns) this.#queue.clear();
    else this.#queue.endWith(segment);
  }

  #abandonAll = (): void => {
    this.#queue.clear();
    dropRanges(this.#requested);
  };

  async #write(slice: Uint8Array): Promise<void> {
    const { stream, meter } = this.#options;
    const pending = stream.write(slice);
    if (pending !== undefined) await raceCancellation(meter.hold(pending), stream.signal);
  }

  #wakeDelivery(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
