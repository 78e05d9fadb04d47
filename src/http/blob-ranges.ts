import { setImmediate } from 'node:timers/promises';
import { SealiftError } from '../errors/index.ts';
import type { BlobAccess } from './blob-access.ts';
import type { BlobProgress } from './blob-progress.ts';
import type { BlobTries } from './blob-tries.ts';
import { cancellation, raceCancellation } from './cancellation.ts';
import type { Wire } from './exchange.ts';
import { fetchRange } from './fetch-range.ts';
import { FIRST_PACE, type Pace, type PaceSample, slowDown } from './pace.ts';
import { SLICE_BYTES } from './range-budget.ts';
import { RangeSegment, slicesFor } from './range-segment.ts';
import { strongEtag } from './response-head.ts';
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

/** New connections are given so many windows to be open before it is judged what they bring. */
const SETTLING_WINDOWS = 4;
/** Until the front meets the first range, at its own rate: so many windows, and so many times its own wait for an answer. */
const LEAD_WINDOWS = 1.5;
const LEAD_ANSWERS = 4;
/** Ranges that had not begun when the front came; then the server seems to keep further connections waiting. */
const MAX_LATE_RANGES = 3;

/**
 * The ranges of one blob: received behind the front, which is one plain response, on as many connections as are worth it,
 * and delivered when the front has come to them. They can only help: whatever goes wrong with one, the front goes on alone
 * from there, and judges.
 */
export class BlobRanges {
  readonly #options: BlobRangesOptions;
  /** In order and without gaps; the first one begins where the front is to end. */
  #segments: RangeSegment[] = [];
  readonly #asked = new Set<RangeSegment>();
  #pace: Pace = FIRST_PACE;
  #settlingWindows = 0;
  /** Of the last window. */
  #bytesPerMs = 0;
  /** Where the next range begins. */
  #next: number | undefined;
  #frontRuns = false;
  /** The server has no ranges, or not of this blob. */
  #isOff = false;
  /** How long the front has waited for its answer, connection, redirects and all. */
  #answerMs = 0;
  #frontAskedAt = 0;
  #lateRanges = 0;
  #etag: string | undefined;
  #failure: { readonly error: unknown } | undefined;
  #news = Promise.withResolvers<void>();

  constructor(options: BlobRangesOptions) {
    this.#options = options;
    this.#isOff = options.progress.size < options.wire.limits.minRangedBytes;
    if (!this.#isOff) options.stream.signal.addEventListener('abort', this.#abandonAll);
  }

  /** The first answer of the front tells what the ranges have to be parts of. */
  learn(head: ResponseHead): void {
    this.#etag ??= strongEtag(head);
    this.#answerMs = this.#options.wire.clock.now() - this.#frontAskedAt;
    if (head.headers['accept-ranges']?.[0]?.trim().toLowerCase() === 'none') this.#isOff = true;
  }

  frontAsks(): void {
    this.#frontRuns = true;
    this.#frontAskedAt = this.#options.wire.clock.now();
  }

  /** Where the front ends, as far as is known by now. */
  get frontEnd(): number {
    const [first] = this.#segments;
    return this.#frontRuns && first !== undefined ? first.start : this.#options.progress.size;
  }

  /** The front has come to its end. True: the first range has begun to come. False: the front goes on without any. */
  takeOver(): boolean {
    const [first] = this.#segments;
    if (first === undefined) return false;
    if (first.wasAnswered) {
      this.#frontRuns = false;
      this.#lateRanges = 0;
      return true;
    }
    this.#lateRanges = Math.min(this.#lateRanges + 1, MAX_LATE_RANGES);
    if (this.#lateRanges === MAX_LATE_RANGES) this.#pace = slowDown(this.#pace);
    this.#retreat();
    return false;
  }

  /** Counts what has come, on whichever connection. */
  noteReceived(bytes: number): void {
    const { meter, stream } = this.#options;
    const sample = meter.note(bytes);
    if (stream.isInTurn?.() === false) meter.restart();
    else if (sample !== undefined && !this.#isOff) this.#judge(sample);
  }

  /** Asks for what may be asked for. */
  fill(): void {
    const { tries } = this.#options;
    while (!tries.isPausing && this.#asked.size < this.#allowed()) {
      const segment = this.#segments.find(({ state }) => state === 'waiting') ?? this.#plan();
      if (segment === undefined) return;
      void this.#ask(segment);
    }
  }

  /** Writes the ranges from where the front has ended, until there is none behind the last one. */
  async deliver(): Promise<void> {
    const { progress } = this.#options;
    for (;;) {
      this.fill();
      const [head] = this.#segments;
      if (head === undefined) break;
      const slice = head.next();
      if (slice !== undefined) {
        await this.#write(slice);
        head.shift();
        progress.delivered += slice.length;
        // Sockets are read and cancels heard between two slices.
        await setImmediate();
      } else if (head.isDelivered) this.#segments.shift();
      else await raceCancellation(this.#news.promise, this.#options.stream.signal);
      this.throwIfFailed();
    }
    this.#next = undefined;
  }

  /** Throws what no other try changes, for it is our own fault. */
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
    const { limits, ranging } = wire;
    if (this.#settlingWindows > 0) {
      this.#settlingWindows -= 1;
      if (this.#hasUnanswered()) return;
      this.#settlingWindows = 0;
    }
    const { connections } = this.#pace;
    if (connections === 1 && progress.size - progress.delivered < limits.minRangedBytes) return;
    this.#pace = ranging.decidePace(this.#pace, sample, limits.maxRangeConnections);
    if (this.#pace.connections > connections) this.#settlingWindows = SETTLING_WINDOWS;
    this.#bytesPerMs = sample.bytesPerMs;
    this.#keepPace();
  }

  #keepPace(): void {
    if (this.#pace.connections === 1 && this.#frontRuns) {
      this.#abandon();
      return;
    }
    if (this.#frontRuns && this.#segments.length === 0) this.#next = this.#firstRange();
    this.fill();
    // Without memory for it there is no first range yet, and later it begins further on.
    if (this.#frontRuns && this.#segments.length === 0) this.#next = undefined;
  }

  /** Ranges begin further on. */
  #retreat(): void {
    const late = this.#segments.splice(0);
    for (const segment of late) this.#asked.delete(segment);
    this.#keepPace();
    // Only now: a connection that was being made for one of them is taken by the next.
    drop(late);
  }

  /** So far ahead that it is known what a second connection is worth before the front comes to it. */
  #firstRange(): number | undefined {
    const { progress, wire } = this.#options;
    const { rangeBytes, rangeWindowMs } = wire.limits;
    const leadMs = (LEAD_WINDOWS * rangeWindowMs + LEAD_ANSWERS * this.#answerMs) * 2 ** this.#lateRanges;
    const start = progress.delivered + Math.max(rangeBytes, SLICE_BYTES, Math.ceil(this.#bytesPerMs * leadMs));
    return start < progress.size ? start : undefined;
  }

  #hasUnanswered(): boolean {
    return [...this.#asked].some(({ wasAnswered }) => !wasAnswered);
  }

  #allowed(): number {
    return this.#pace.connections - (this.#frontRuns ? 1 : 0);
  }

  #plan(): RangeSegment | undefined {
    const { wire, progress } = this.#options;
    const { rangeBytes } = wire.limits;
    const { budget, pool } = wire.ranging;
    const { connections } = this.#pace;
    const start = this.#next;
    if (this.#isOff || connections === 1 || start === undefined || start === progress.size) return undefined;
    const remaining = progress.size - start;
    const least = Math.min(remaining, Math.ceil(rangeBytes / 4));
    // Towards the end all connections get their part of what is left.
    const wanted = Math.min(remaining, rangeBytes, Math.max(least, Math.ceil(remaining / connections)));
    const granted = budget.take(slicesFor(wanted), slicesFor(least));
    if (granted === 0) return undefined;
    const segment = new RangeSegment(
      { start, length: Math.min(wanted, granted * SLICE_BYTES), granted },
      { budget, pool },
    );
    this.#segments.push(segment);
    this.#next = segment.end;
    return segment;
  }

  async #ask(segment: RangeSegment): Promise<void> {
    const { tries } = this.#options;
    const { round } = tries;
    const { position } = segment;
    segment.state = 'asked';
    this.#asked.add(segment);
    try {
      const failed = await this.#fetch(segment);
      this.#asked.delete(segment);
      if (segment.isDropped) return;
      segment.state = segment.missingBytes === 0 ? 'whole' : 'waiting';
      if (failed !== undefined && segment.missingBytes > 0) {
        // A connection that broke off on its way says nothing about their number.
        if (round === tries.round && segment.position === position) this.#slowDown();
        await tries.waitAfter(failed, round);
      }
    } catch (error) {
      this.#giveUp(segment, error);
    } finally {
      this.#asked.delete(segment);
    }
    this.fill();
    this.#tell();
  }

  #fetch(segment: RangeSegment) {
    const { wire, stream, access, progress } = this.#options;
    const onReceived = (bytes: number): void => {
      if (!segment.wasAnswered) this.#noteAnswered(segment);
      if (segment === this.#segments[0]) this.#tell();
      this.noteReceived(bytes);
    };
    const { size } = progress;
    return fetchRange(wire, { segment, access, size, etag: this.#etag, blockedMs: stream.blockedMs, onReceived });
  }

  #noteAnswered(segment: RangeSegment): void {
    segment.wasAnswered = true;
    if (this.#settlingWindows === 0 || this.#hasUnanswered()) return;
    this.#settlingWindows = 0;
    this.#options.meter.restart();
  }

  #slowDown(): void {
    this.#pace = slowDown(this.#pace);
    this.#settlingWindows = 0;
    if (this.#pace.connections === 1 && this.#frontRuns) this.#abandon();
  }

  /** No ranges any more. What has come without a gap is delivered. */
  #giveUp(segment: RangeSegment, error: unknown): void {
    if (segment.isDropped) return;
    if (!(error instanceof SealiftError) || error.kind === 'internal') this.#failure = { error };
    this.#isOff = true;
    if (this.#frontRuns) {
      this.#abandon();
      return;
    }
    const place = this.#segments.indexOf(segment);
    // All of it is delivered, and only its answer did not end as it should.
    if (place === -1) return;
    drop(this.#segments.splice(place + 1));
    segment.truncate();
    this.#next = segment.end;
  }

  /** The front goes on alone. */
  #abandon(): void {
    drop(this.#segments.splice(0));
    this.#next = undefined;
  }

  #abandonAll = (): void => {
    this.#abandon();
    drop(this.#asked);
  };

  async #write(slice: Uint8Array): Promise<void> {
    const { stream, meter } = this.#options;
    const pending = stream.write(slice);
    if (pending !== undefined) await raceCancellation(meter.hold(pending), stream.signal);
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

function drop(segments: Iterable<RangeSegment>): void {
  const reason = new SealiftError('PULL_CANCELLED', 'range is no longer needed');
  for (const segment of segments) segment.drop(reason);
}
