import { SealiftError } from '../errors/index.ts';
import type { Receiver } from './exchange.ts';
import { subjectOf } from './refusal.ts';
import { assertContentRange, contentLength, strongEtag } from './response-head.ts';
import type { HttpRequest, ResponseHead } from './types.ts';

/** A range that is being received, possibly by several responses one after the other. */
export interface ReceivedRange {
  /** Position of the next byte to receive. */
  readonly position: number;
  /** Position of the first byte behind the range. */
  readonly end: number;
  readonly missingBytes: number;
  /** Ends the range. */
  readonly signal: AbortSignal;
  /** Takes a chunk that is not longer than the missing bytes. A promise pauses the connection. */
  append(chunk: Uint8Array): void | Promise<void>;
}

export interface RangeReceiverOptions {
  /** The request before all redirects. */
  readonly asked: HttpRequest;
  readonly segment: ReceivedRange;
  /** Size of the whole blob in bytes. */
  readonly size: number;
  /** The strong ETag of the first response, if it had one. */
  readonly etag: string | undefined;
  readonly blockedMs: () => number;
  readonly onReceived: (bytes: number) => void;
}

/** Takes one response with the missing bytes of a range, and refuses any other. */
export class RangeReceiver implements Receiver {
  readonly blockedMs: () => number;
  readonly #options: RangeReceiverOptions;
  #subject = '';
  /** The request of the response that was accepted. */
  accepted: HttpRequest | undefined;

  constructor(options: RangeReceiverOptions) {
    this.#options = options;
    this.blockedMs = options.blockedMs;
  }

  onHead(head: ResponseHead, request: HttpRequest): 'read' | 'discard' | 'excerpt' {
    if (head.status === 200) return 'discard';
    if (head.status !== 206) return 'excerpt';
    const { segment, size, etag: expected, asked } = this.#options;
    this.#subject = subjectOf(asked, request.url);
    assertContentRange(this.#subject, head, { first: segment.position, last: segment.end - 1, size });
    const length = contentLength(this.#subject, head);
    if (length !== undefined && length !== segment.missingBytes) this.#refuse(`${segment.missingBytes} bytes`, length);
    const etag = strongEtag(head);
    if (expected !== undefined && etag !== undefined && etag !== expected) this.#refuse(`the ETag ${expected}`, etag);
    this.accepted = request;
    return 'read';
  }

  onData(chunk: Uint8Array): 'more' | Promise<void> {
    const { segment, onReceived } = this.#options;
    if (chunk.length > segment.missingBytes) this.#refuse(`${segment.missingBytes} bytes more`, chunk.length);
    const pending = segment.append(chunk);
    onReceived(chunk.length);
    return pending === undefined ? 'more' : pending;
  }

  #refuse(expected: string, actual: string | number): never {
    throw new SealiftError('HTTP_RESPONSE_INVALID', `${this.#subject}: expected ${expected}, got ${actual}`);
  }
}
