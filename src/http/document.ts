import { SealiftError } from '../errors/index.ts';
import type { Receiver, Wire } from './exchange.ts';
import { brokenConnection, retryableStatus } from './fault.ts';
import { follow } from './follow.ts';
import { assertIdentityEncoding, contentLength } from './response-head.ts';
import { type AttemptResult, isRetryableStatus, withRetries } from './retry.ts';
import type { DocumentResponse, HttpRequest, ResponseHead } from './types.ts';

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** Collects one body. A successful response must fit into `maxBytes`; any other is cut off at `maxErrorBytes`. */
class DocumentReceiver implements Receiver {
  readonly #request: HttpRequest;
  readonly #maxBytes: number;
  readonly #maxErrorBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #success = false;

  constructor(request: HttpRequest, maxBytes: number, maxErrorBytes: number) {
    this.#request = request;
    this.#maxBytes = maxBytes;
    this.#maxErrorBytes = Math.min(maxBytes, maxErrorBytes);
  }

  readonly blockedMs = (): number => 0;

  onHead(head: ResponseHead): 'read' | 'discard' {
    this.#success = isSuccess(head.status);
    if (isRetryableStatus(head.status)) return 'discard';
    if (!this.#success) return head.headers['content-encoding'] === undefined ? 'read' : 'discard';
    assertIdentityEncoding(this.#request.url, head);
    const length = contentLength(this.#request.url, head);
    if (length !== undefined && length > this.#maxBytes) this.#refuseLength(length);
    return 'read';
  }

  onData(chunk: Uint8Array): 'more' | 'enough' {
    const cap = this.#success ? this.#maxBytes : this.#maxErrorBytes;
    const kept = chunk.subarray(0, cap - this.#length);
    if (this.#success && kept.length < chunk.length) this.#refuseLength('more');
    this.#chunks.push(new Uint8Array(kept));
    this.#length += kept.length;
    return !this.#success && this.#length === cap ? 'enough' : 'more';
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

async function attemptDocument(wire: Wire, options: DocumentFetch): Promise<AttemptResult<DocumentResponse>> {
  const { request, maxBytes, signal } = options;
  const { maxErrorBodyBytes, documentTimeoutMs: timeoutMs } = wire.limits;
  const receiver = new DocumentReceiver(request, maxBytes, maxErrorBodyBytes);
  const outcome = await follow(wire, { request, receiver, signal, timeoutMs });
  if (outcome.kind === 'broken') return brokenConnection(request, outcome, 0);
  const { head, redirected } = outcome;
  if (isRetryableStatus(head.status)) return retryableStatus(request, head, wire.clock);
  return { kind: 'done', value: { status: head.status, headers: head.headers, body: receiver.body(), redirected } };
}

/** Fetches a document as `HttpClient.fetchDocument` describes it. */
export function fetchDocument(wire: Wire, options: DocumentFetch): Promise<DocumentResponse> {
  const { limits, clock } = wire;
  const { request, signal } = options;
  const maxTries = Math.min(request.tries ?? limits.maxTries, limits.maxTries);
  return withRetries(() => attemptDocument(wire, options), { limits, clock, maxTries, signal });
}
