import { SealiftError } from '../errors/index.ts';
import { asksForToken, BlobAccess } from './blob-access.ts';
import { BlobProgress } from './blob-progress.ts';
import { BlobRanges } from './blob-ranges.ts';
import { BlobTries } from './blob-tries.ts';
import type { Receiver, Wire } from './exchange.ts';
import { brokenConnection } from './fault.ts';
import { type Followed, follow } from './follow.ts';
import { isExpired } from './redirect.ts';
import { refuseStatus, retryableStatus, subjectOf } from './refusal.ts';
import { contentLength, formatEncoding, hasFraming, hasRange } from './response-head.ts';
import { type AttemptResult, isRetryableStatus } from './retry.ts';
import { mediaTypeOf, refuseHtml, secretsOfRequest } from './server-words.ts';
import { ThroughputMeter } from './throughput-meter.ts';
import type { BlobStream, HttpRequest, ResponseHead } from './types.ts';

/** What a {@link BlobReceiver} works on. */
interface BlobFront {
  readonly stream: BlobStream;
  readonly progress: BlobProgress;
  readonly access: BlobAccess;
  readonly meter: ThroughputMeter;
  readonly ranges: BlobRanges;
}

/** Takes one response for the rest of a blob and writes the bytes that are new. */
class BlobReceiver implements Receiver {
  readonly blockedMs: () => number;
  readonly #asked: HttpRequest;
  readonly #front: BlobFront;
  /** True if only the rest of the blob was asked for. */
  readonly #isResumed: boolean;
  /** The address that answered. */
  #url: string;
  #skip = 0;
  #isAccepted = false;
  #isHandedOver = false;
  /** For messages. */
  #encoding = '';
  /** The head of a response that says it is a web page and whose length does not show that it is the blob. */
  #unproven: ResponseHead | undefined;

  constructor(asked: HttpRequest, front: BlobFront, isResumed: boolean) {
    this.#asked = asked;
    this.#url = asked.url;
    this.#front = front;
    this.#isResumed = isResumed;
    this.blockedMs = front.stream.blockedMs;
  }

  onHead(head: ResponseHead, request: HttpRequest): 'read' | 'discard' | 'excerpt' {
    this.#url = request.url;
    if (head.status !== 200 && head.status !== 206) return 'excerpt';
    const { delivered, size } = this.#front.progress;
    if (head.status === 206 && !this.#isResumed) {
      const refusal = { request: this.#asked, url: this.#url, head, excerpt: new Uint8Array() };
      refuseStatus({ ...refusal, isRepeated: delivered > 0 });
    }
    const subject = this.#subject;
    if (head.status === 206 && !hasRange(head, { first: delivered, last: size - 1, size })) return 'discard';
    // Without a range, written bytes come again. They cannot be taken back, so they are skipped this time. If they differ
    // from before, the digest over the whole blob shows it.
    if (head.status === 200) this.#skip = delivered;
    const expected = size - delivered + this.#skip;
    const length = contentLength(subject, head);
    this.#encoding = formatEncoding(head);
    if (length !== undefined && length !== expected) {
      // A web page is named as such by its first bytes.
      if (mediaTypeOf(head) === 'text/html') return 'excerpt';
      this.#refuseSize(expected, `${length}`);
    }
    this.#unproven = length === undefined && mediaTypeOf(head) === 'text/html' ? head : undefined;
    this.#isAccepted = true;
    this.#front.access.noteSource(request);
    this.#front.ranges.noteFrontHead(head);
    return 'read';
  }

  onData(chunk: Uint8Array): 'more' | 'enough' | Promise<void> {
    if (this.#isHandedOver) return 'enough';
    if (this.#unproven !== undefined) this.#refuseHtml(this.#unproven, chunk);
    this.#unproven = undefined;
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    if (skipped === chunk.length) return 'more';
    const fresh = skipped === 0 ? chunk : chunk.subarray(skipped);
    const { progress, ranges } = this.#front;
    if (fresh.length > progress.size - progress.delivered) this.#refuseSize(progress.size, 'more');
    ranges.throwIfFailed();
    const room = ranges.frontEnd - progress.delivered;
    if (room > fresh.length || !ranges.takeOver()) return this.#deliver(fresh) ?? 'more';
    // From here on, the connection would only repeat what ranges already bring.
    this.#isHandedOver = true;
    return this.#deliver(fresh.subarray(0, room)) ?? 'enough';
  }

  #deliver(bytes: Uint8Array): Promise<void> | undefined {
    const { progress, ranges, stream, meter } = this.#front;
    const pending = stream.write(bytes);
    progress.delivered += bytes.length;
    ranges.noteReceived(bytes.length);
    return pending === undefined ? undefined : meter.hold(pending);
  }

  get isAccepted(): boolean {
    return this.#isAccepted;
  }

  /** True once this response has delivered its share: the rest of the blob, or everything before the first range. */
  get isDone(): boolean {
    return this.#isHandedOver || this.#front.progress.isWhole;
  }

  #refuseHtml({ headers }: ResponseHead, excerpt: Uint8Array): void {
    refuseHtml(this.#subject, { headers, excerpt }, secretsOfRequest(this.#asked));
  }

  /** Throws the error for a response with status 200 of which only an excerpt was read. */
  refuseExcerpt(head: ResponseHead, excerpt: Uint8Array): never {
    this.#refuseHtml(head, excerpt);
    const { delivered, size } = this.#front.progress;
    return this.#refuseSize(size - delivered + this.#skip, `${contentLength(this.#subject, head)}`);
  }

  assertWhole(): void {
    const { delivered, size } = this.#front.progress;
    if (delivered !== size) this.#refuseSize(size, `${delivered}`);
  }

  get #subject(): string {
    return subjectOf(this.#asked, this.#url);
  }

  #refuseSize(expected: number, actual: string): never {
    throw new SealiftError(
      'BLOB_SIZE_MISMATCH',
      `${this.#subject}: expected ${expected} bytes, got ${actual}${this.#encoding}`,
    );
  }
}

/** Downloads one blob, with all its tries. */
class BlobDownload implements BlobFront {
  readonly stream: BlobStream;
  readonly progress: BlobProgress;
  readonly meter: ThroughputMeter;
  readonly ranges: BlobRanges;
  readonly #wire: Wire;
  readonly access: BlobAccess;
  readonly #tries: BlobTries;
  /** False once the server answered a request for the rest with something else; the whole is asked for from then on. */
  #canResume = true;

  constructor(wire: Wire, stream: BlobStream) {
    const { limits, clock, ranging } = wire;
    const maxTries = Math.min(stream.request.tries ?? limits.maxTries, limits.maxTries);
    this.#wire = wire;
    this.stream = stream;
    this.progress = new BlobProgress(stream.size);
    this.meter = new ThroughputMeter({ windowMs: limits.rangeWindowMs, now: clock.now, idleMs: ranging.idleMs });
    this.access = new BlobAccess(stream);
    const { leftMs } = stream.request;
    const retries = { limits, clock, maxTries, leftMs, signal: stream.signal };
    this.#tries = new BlobTries(retries, () => this.meter.receivedBytes);
    this.ranges = new BlobRanges({
      wire,
      stream,
      access: this.access,
      progress: this.progress,
      tries: this.#tries,
      meter: this.meter,
    });
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        await this.#runFront();
        if (this.progress.isWhole) return;
        await this.ranges.deliver();
        if (this.progress.isWhole) return;
      }
    } finally {
      this.ranges.close();
    }
  }

  /** Fetches plain responses up to the end of the blob, or up to the first range. */
  async #runFront(): Promise<void> {
    for (;;) {
      const { round } = this.#tries;
      this.ranges.noteFrontRequest();
      const result = await this.#attempt();
      if (result.kind === 'done') return;
      await this.#tries.waitAfter(result, round);
      this.ranges.requestMore();
    }
  }

  async #attempt(): Promise<AttemptResult<void>> {
    const offset = this.progress.delivered;
    let askedAnew = false;
    for (;;) {
      const asked = this.access.request;
      const isResumed = this.progress.delivered > 0 && this.#canResume;
      const receiver = new BlobReceiver(asked, this, isResumed);
      const answer = await this.#ask(isResumed ? this.#rangeOf(asked) : asked, receiver);
      if (answer.kind === 'complete' && asksForToken(answer.head.status) && !answer.redirected) {
        if (await this.access.renew(answer, asked)) continue;
      }
      if (!askedAnew && answer.kind === 'complete' && answer.redirected && isExpired(answer.head.status)) {
        // The registry signs another address for each request.
        askedAnew = true;
        continue;
      }
      if (isResumed && answer.kind === 'complete' && this.#isOtherRange(answer.head, receiver)) {
        this.#canResume = false;
        continue;
      }
      return this.#judge(answer, receiver, { asked, offset });
    }
  }

  #isOtherRange({ status }: ResponseHead, { isAccepted }: BlobReceiver): boolean {
    return status === 416 || (status === 206 && !isAccepted);
  }

  #rangeOf(asked: HttpRequest): HttpRequest {
    return { ...asked, headers: { ...asked.headers, range: `bytes=${this.progress.delivered}-` } };
  }

  #ask(request: HttpRequest, receiver: BlobReceiver): Promise<Followed> {
    return follow(this.#wire, { request, receiver, signal: this.stream.signal, timeoutMs: undefined });
  }

  #judge(
    answer: Followed,
    receiver: BlobReceiver,
    { asked, offset }: { readonly asked: HttpRequest; readonly offset: number },
  ): AttemptResult<void> {
    const progressBytes = this.progress.delivered - offset;
    if (receiver.isAccepted && (progressBytes > 0 || answer.kind === 'complete')) this.access.noteAccepted(asked);
    if (answer.kind === 'broken') {
      if (progressBytes > 0 && receiver.isDone) return { kind: 'done', value: undefined };
      return brokenConnection(asked, answer, progressBytes);
    }
    const { head, url } = answer;
    const { formerSecrets } = this.access;
    const refusal = { request: asked, url, head, excerpt: answer.excerpt, formerSecrets, isRepeated: !this.#canResume };
    if (isRetryableStatus(head.status)) return retryableStatus(refusal, this.#wire.clock);
    if (head.status !== 200 && head.status !== 206) refuseStatus(refusal);
    if (!receiver.isAccepted) receiver.refuseExcerpt(head, answer.excerpt);
    if (receiver.isDone) return { kind: 'done', value: undefined };
    if (hasFraming(head)) receiver.assertWhole();
    const cause = new SealiftError('HTTP_UNAVAILABLE', 'connection was closed before the end of the body');
    return brokenConnection(asked, { url, cause }, progressBytes);
  }
}

/** Writes one blob as {@link BlobStream} describes it. Rejects with what `Transport.blobSource` documents. */
export function streamBlob(wire: Wire, stream: BlobStream): Promise<void> {
  return new BlobDownload(wire, stream).run();
}
