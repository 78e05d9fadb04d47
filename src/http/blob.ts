import { SealiftError } from '../errors/index.ts';
import { raceCancellation } from './cancellation.ts';
import type { Receiver, ResponseHead, Wire } from './exchange.ts';
import { brokenConnection, retryableStatus } from './fault.ts';
import { type Followed, follow } from './follow.ts';
import { assertContentRange, assertIdentityEncoding, contentLength } from './response-head.ts';
import { type Attempt, isRetryableStatus, withRetries } from './retry.ts';
import type { AuthChallenge, BlobStream, HttpRequest } from './types.ts';

/** How far a blob has come, over all attempts. */
class BlobProgress {
  readonly size: number;
  delivered = 0;

  constructor(size: number) {
    this.size = size;
  }
}

/** Takes one answer for the rest of a blob and writes what is new in it. */
class BlobReceiver implements Receiver {
  readonly blockedMs: () => number;
  readonly #url: string;
  readonly #progress: BlobProgress;
  readonly #write: BlobStream['write'];
  #skip = 0;

  constructor(url: string, progress: BlobProgress, stream: BlobStream) {
    this.#url = url;
    this.#progress = progress;
    this.#write = stream.write;
    this.blockedMs = stream.blockedMs;
  }

  onHead(head: ResponseHead): 'read' | 'discard' {
    if (head.status !== 200 && head.status !== 206) return 'discard';
    const { delivered, size } = this.#progress;
    if (head.status === 206 && delivered === 0) refuseStatus(this.#url, 206);
    assertIdentityEncoding(this.#url, head);
    if (head.status === 206) assertContentRange(this.#url, head, delivered, size);
    // The server ignores ranges: what was written cannot be taken back, so the same bytes are passed over. If they
    // are others this time, the digest over the whole tells.
    else this.#skip = delivered;
    const expected = size - delivered + this.#skip;
    const length = contentLength(this.#url, head);
    if (length !== undefined && length !== expected) this.#refuseSize(expected, `${length}`);
    return 'read';
  }

  onData(chunk: Uint8Array): 'more' | Promise<void> {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    if (skipped === chunk.length) return 'more';
    const fresh = skipped === 0 ? chunk : chunk.subarray(skipped);
    const { delivered, size } = this.#progress;
    if (fresh.length > size - delivered) this.#refuseSize(size, 'more');
    const pending = this.#write(fresh);
    this.#progress.delivered += fresh.length;
    return pending ?? 'more';
  }

  assertWhole(): void {
    const { delivered, size } = this.#progress;
    if (delivered !== size) this.#refuseSize(size, `${delivered}`);
  }

  #refuseSize(expected: number, actual: string): never {
    throw new SealiftError('BLOB_SIZE_MISMATCH', `GET ${this.#url}: expected ${expected} bytes, got ${actual}`);
  }
}

/** A body with neither length nor chunks ends with its connection, which looks the same as one that broke off. */
function hasFraming(head: ResponseHead): boolean {
  return head.headers['content-length'] !== undefined || head.headers['transfer-encoding'] !== undefined;
}

function refuseStatus(url: string, status: number): never {
  const subject = `GET ${url}`;
  if (status === 401 || status === 403)
    throw new SealiftError('REGISTRY_AUTH_REJECTED', `${subject}: status ${status}`);
  if (status === 404) throw new SealiftError('REGISTRY_BLOB_UNKNOWN', `${subject}: status 404`);
  if (status === 416 || status === 206) {
    throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: status ${status} does not answer what was asked`);
  }
  throw new SealiftError('HTTP_STATUS_UNEXPECTED', `${subject}: status ${status}`, { context: { status } });
}

/** One blob from its first try to its last. */
class BlobDownload {
  readonly #wire: Wire;
  readonly #stream: BlobStream;
  readonly #progress: BlobProgress;
  #request: HttpRequest;
  /** Renewed, and not accepted by the registry since. */
  #renewed = false;

  constructor(wire: Wire, stream: BlobStream) {
    this.#wire = wire;
    this.#stream = stream;
    this.#progress = new BlobProgress(stream.size);
    this.#request = stream.request;
  }

  readonly attempt = async (): Promise<Attempt<void>> => {
    const offset = this.#progress.delivered;
    for (;;) {
      const receiver = new BlobReceiver(this.#request.url, this.#progress, this.#stream);
      const answer = await this.#ask(receiver);
      if (answer.kind === 'complete' && answer.head.status === 401 && !answer.redirected && !this.#renewed) {
        await this.#renew(answer.head);
        continue;
      }
      return this.#judge(answer, receiver, offset);
    }
  };

  #ask(receiver: BlobReceiver): Promise<Followed> {
    const { delivered } = this.#progress;
    const headers =
      delivered === 0 ? this.#request.headers : { ...this.#request.headers, range: `bytes=${delivered}-` };
    const options = { signal: this.#stream.signal, timeoutMs: undefined };
    return follow(this.#wire, { ...this.#request, headers }, receiver, options);
  }

  async #renew(head: ResponseHead): Promise<void> {
    const refused = this.#request.headers['authorization'];
    const challenge: AuthChallenge = {
      headers: head.headers['www-authenticate'] ?? [],
      ...(refused === undefined ? {} : { refusedAuthorization: refused }),
    };
    this.#request = await raceCancellation(this.#stream.onUnauthorized(challenge), this.#stream.signal);
    this.#renewed = true;
  }

  #judge(answer: Followed, receiver: BlobReceiver, offset: number): Attempt<void> {
    const progressBytes = this.#progress.delivered - offset;
    if (answer.kind === 'broken') {
      if (progressBytes > 0 && this.#isWhole()) return { kind: 'done', value: undefined };
      if (progressBytes > 0) this.#renewed = false;
      return brokenConnection(this.#request, answer.url, answer.cause, progressBytes);
    }
    const { head } = answer;
    if (isRetryableStatus(head.status)) return retryableStatus(this.#request, head, this.#wire.clock);
    if (head.status !== 200 && head.status !== 206) refuseStatus(this.#request.url, head.status);
    this.#renewed = false;
    if (hasFraming(head)) receiver.assertWhole();
    if (this.#isWhole()) return { kind: 'done', value: undefined };
    const cause = new SealiftError('HTTP_UNAVAILABLE', 'connection was closed before the end of the body');
    return brokenConnection(this.#request, this.#request.url, cause, progressBytes);
  }

  #isWhole(): boolean {
    return this.#progress.delivered === this.#progress.size;
  }
}

export function streamBlob(wire: Wire, stream: BlobStream): Promise<void> {
  const { limits, clock } = wire;
  const { signal } = stream;
  const maxTries = Math.min(stream.request.tries ?? limits.maxTries, limits.maxTries);
  return withRetries(new BlobDownload(wire, stream).attempt, { limits, clock, maxTries, signal });
}
