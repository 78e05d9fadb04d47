import { SealiftError } from '../errors/index.ts';
import { decodeBody } from './decode-body.ts';
import type { Receiver, Wire } from './exchange.ts';
import { brokenConnection } from './fault.ts';
import { type Followed, follow } from './follow.ts';
import { isExpired } from './redirect.ts';
import { redirectedTo, retryableStatus } from './refusal.ts';
import { contentLength } from './response-head.ts';
import { type AttemptResult, isRetryableStatus, withRetries } from './retry.ts';
import type { DocumentResponse, HttpRequest, ResponseHead } from './types.ts';

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** Collects the body of a successful response, which must fit into `maxBytes`. The exchange keeps the start of any other. */
class DocumentReceiver implements Receiver {
  readonly #request: HttpRequest;
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(request: HttpRequest, maxBytes: number) {
    this.#request = request;
    this.#maxBytes = maxBytes;
  }

  readonly blockedMs = (): number => 0;

  onHead(head: ResponseHead): 'read' | 'excerpt' {
    if (!isSuccess(head.status) || this.#request.isProbe === true) return 'excerpt';
    const subject = `${this.#request.method} ${this.#request.url}`;
    const length = contentLength(subject, head);
    if (length !== undefined && length > this.#maxBytes) this.#refuseLength(length);
    return 'read';
  }

  onData(chunk: Uint8Array): 'more' {
    if (chunk.length > this.#maxBytes - this.#length) this.#refuseLength('more');
    this.#chunks.push(new Uint8Array(chunk));
    this.#length += chunk.length;
    return 'more';
  }

  body(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks));
  }

  #refuseLength(actual: number | 'more'): never {
    const { url, bound } = this.#request;
    throw new SealiftError(
      'HTTP_RESPONSE_INVALID',
      `GET ${url}: expected at most ${this.#maxBytes} bytes, got ${actual}`,
      { context: { ...(bound === undefined ? {} : { limit: bound }), expected: this.#maxBytes, actual } },
    );
  }
}

/** A request for a document of at most `maxBytes` bytes. */
export interface DocumentFetch {
  readonly request: HttpRequest;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

interface Asked {
  readonly outcome: Followed;
  readonly receiver: DocumentReceiver;
}

async function askOnce(wire: Wire, { request, maxBytes, signal }: DocumentFetch): Promise<Asked> {
  const receiver = new DocumentReceiver(request, maxBytes);
  const timeoutMs = wire.limits.documentTimeoutMs;
  return { outcome: await follow(wire, { request, receiver, signal, timeoutMs }), receiver };
}

/** A redirect may lead to a signed address that has expired, so the server is asked for another one, once. */
async function ask(wire: Wire, options: DocumentFetch): Promise<Asked> {
  const asked = await askOnce(wire, options);
  const { outcome } = asked;
  const isRefused = outcome.kind === 'complete' && outcome.redirected && isExpired(outcome.head.status);
  return isRefused && options.request.method === 'GET' ? askOnce(wire, options) : asked;
}

async function attemptDocument(wire: Wire, options: DocumentFetch): Promise<AttemptResult<DocumentResponse>> {
  const { request, maxBytes } = options;
  const { outcome, receiver } = await ask(wire, options);
  if (outcome.kind === 'broken') return brokenConnection(request, outcome, 0);
  const { head, url, excerpt, redirected } = outcome;
  const { status, headers } = head;
  const isExcerpt = request.isProbe === true || !isSuccess(status);
  if (isRetryableStatus(status) && request.isProbe !== true)
    return retryableStatus({ request, url, head, excerpt }, wire.clock);
  const body = isExcerpt ? excerpt.slice(0, maxBytes) : receiver.body();
  const decodedBody = isExcerpt ? undefined : decodeBody(head, body, maxBytes);
  const host = redirectedTo(request, url);
  const optional = {
    ...(decodedBody === undefined ? {} : { decodedBody }),
    ...(host === undefined ? {} : { redirectedTo: host }),
  };
  return { kind: 'done', value: { status, headers, body, redirected, ...optional } };
}

/** Fetches a document as `HttpClient.fetchDocument` describes it. */
export function fetchDocument(wire: Wire, options: DocumentFetch): Promise<DocumentResponse> {
  const { limits, clock } = wire;
  const { request, signal } = options;
  const maxTries = Math.min(request.tries ?? limits.maxTries, limits.maxTries);
  const { leftMs } = request;
  return withRetries(() => attemptDocument(wire, options), { limits, clock, maxTries, leftMs, signal });
}
