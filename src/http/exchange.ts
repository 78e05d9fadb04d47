import { setImmediate } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { cancellation, prefixError, SealiftError } from '../errors/index.ts';
import { LeastThroughput } from './least-throughput.ts';
import type { PaceRule } from './pace.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { proxyRefusal } from './proxy-fault.ts';
import type { RangeBudget } from './range-budget.ts';
import type { SlicePool } from './range-segment.ts';
import type { Route, Router } from './route.ts';
import { StallClock } from './stall-clock.ts';
import type { HttpRequest, ResponseHead, ResponseHeaders, TransportClock, TransportLimits } from './types.ts';

/** Takes one response. An error that it throws ends the exchange and is passed on unchanged. */
export interface Receiver {
  /**
   * `discard` ends the exchange without the body. `excerpt` makes the start of the body part of the outcome; a connection
   * that breaks meanwhile does not matter. `request` is the request that was answered, after all redirects.
   */
  onHead(head: ResponseHead, request: HttpRequest): 'read' | 'discard' | 'excerpt';
  /** `enough` ends the exchange before the end of the body. A promise pauses the connection until it settles. */
  onData(chunk: Uint8Array): 'more' | 'enough' | Promise<void>;
  /** Milliseconds that the receiver has blocked so far. */
  readonly blockedMs: () => number;
}

export type ExchangeOutcome =
  | {
      readonly kind: 'complete';
      readonly head: ResponseHead;
      /** At most `maxErrorBodyBytes` of the body if the receiver asked for an excerpt; otherwise empty. */
      readonly excerpt: Uint8Array;
    }
  | { readonly kind: 'broken'; readonly cause: unknown };

/** One request, and the object that takes its response. */
export interface ExchangeOptions {
  readonly request: HttpRequest;
  /** What it throws is thrown by the exchange. */
  readonly receiver: Receiver;
  readonly signal: AbortSignal | undefined;
  /** Bound on the whole exchange from its start; undefined for a blob. */
  readonly timeoutMs: number | undefined;
}

/** State that all exchanges of one transport share. */
export interface Wire {
  readonly route: Router['route'];
  readonly limits: TransportLimits;
  readonly clock: TransportClock;
  readonly ranging: Ranging;
}

/** Shared state for blobs that are fetched in ranges. */
export interface Ranging {
  readonly budget: RangeBudget;
  readonly pool: SlicePool;
  readonly decidePace: PaceRule;
  /** Milliseconds that this thread has been idle so far, waiting for events. */
  readonly idleMs: () => number;
}

/** A discarded body that is not longer than this is read to its end, so that the connection can be reused. */
const MAX_DRAINED_BYTES = 65_536;

function toResponseHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): ResponseHeaders {
  return Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [name.toLowerCase(), value === undefined ? [] : [value].flat()]),
  );
}

type ExchangePhase = 'connecting' | 'head' | 'body' | 'excerpt' | 'drain' | 'settled';

/** One request and its response on one connection, with timeouts of its own. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #wire: Wire;
  readonly #route: Route;
  readonly #options: ExchangeOptions;
  readonly #result = Promise.withResolvers<ExchangeOutcome>();
  #phase: ExchangePhase = 'connecting';
  #controller: Dispatcher.DispatchController | undefined;
  #head: ResponseHead | undefined;
  readonly #excerpt: Uint8Array[] = [];
  #excerptBytes = 0;
  #deadlineTimer: NodeJS.Timeout | undefined;
  readonly #stallClock: StallClock;
  /** Only for a blob: a document has a bound on its whole time. */
  #throughput: LeastThroughput | undefined;
  /** Resolves when the receiver has finished with the chunks that it was given. */
  #backlog: Promise<void> | undefined;
  /** Handles an end of the connection that came while there was a backlog. */
  #ending: (() => void) | undefined;

  constructor(wire: Wire, options: ExchangeOptions) {
    this.#wire = wire;
    this.#route = wire.route(options.request.url);
    this.#options = options;
    this.#stallClock = new StallClock({
      clock: wire.clock,
      blockedMs: options.receiver.blockedMs,
      onStall: () => this.#stall(),
    });
  }

  run(): Promise<ExchangeOutcome> {
    const { request, signal, timeoutMs } = this.#options;
    if (signal?.aborted) return Promise.reject(cancellation(signal));
    signal?.addEventListener('abort', this.#cancel);
    if (timeoutMs !== undefined) this.#limitTotalTime(timeoutMs);
    this.#countConnecting(1);
    const { lane, origin, target, headers } = this.#route;
    lane.agent.dispatch(
      {
        origin,
        path: target,
        method: request.method,
        headers: { ...request.headers, ...headers },
        body: request.body ?? null,
      },
      this,
    );
    return this.#result.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#phase === 'settled') {
      controller.abort(new SealiftError('PULL_CANCELLED', 'request was cancelled before its connection was open'));
      return;
    }
    // undici starts a request a second time if a kept-alive connection turns out to be closed.
    if (this.#phase === 'connecting') this.#countConnecting(-1);
    this.#phase = 'head';
    this.#stallClock.start(this.#wire.limits.headersTimeoutMs);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#phase !== 'head' || status < 200) return;
    this.#phase = 'body';
    this.#stallClock.start(this.#wire.limits.stallTimeoutMs);
    this.#watchThroughput();
    this.#guard(() => {
      const { receiver, request } = this.#options;
      const { reader } = this.#route;
      if (reader !== undefined && status === 407) throw this.#refusedBy(reader, status);
      const head = { status, headers: toResponseHeaders(headers) };
      this.#head = head;
      const answer = receiver.onHead(head, request);
      if (answer === 'discard') this.#drain(head);
      if (answer === 'excerpt') this.#beginExcerpt();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'excerpt') {
      this.#addToExcerpt(chunk);
      return;
    }
    if (this.#backlog !== undefined) {
      // The parser still held this chunk when the connection was paused.
      this.#backlog = this.#backlog.then(() => this.#deliver(chunk));
      return;
    }
    const pending = this.#deliver(chunk);
    this.#stallClock.noteActivity();
    if (pending === undefined) {
      this.#judgeThroughput(chunk.length);
      return;
    }
    controller.pause();
    this.#throughput?.pause();
    this.#stallClock.stop();
    this.#backlog = pending;
    void this.#goOnAfterBacklog(controller);
  }

  onResponseEnd(): void {
    if (this.#backlog === undefined) this.#complete();
    else this.#ending = () => this.#complete();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#backlog === undefined) this.#break(error);
    else this.#ending = () => this.#break(error);
  }

  /** Never rejects. */
  #deliver(chunk: Buffer): Promise<void> | undefined {
    if (this.#phase !== 'body') return undefined;
    let answer: ReturnType<Receiver['onData']> = 'more';
    this.#guard(() => {
      answer = this.#options.receiver.onData(chunk);
    });
    return this.#heed(answer);
  }

  #heed(answer: ReturnType<Receiver['onData']>): Promise<void> | undefined {
    if (answer === 'more') return undefined;
    if (answer !== 'enough') return answer.catch((error: unknown) => this.#refuse(error));
    this.#complete();
    return undefined;
  }

  async #goOnAfterBacklog(controller: Dispatcher.DispatchController): Promise<void> {
    for (let seen: Promise<void> | undefined; seen !== this.#backlog; ) {
      seen = this.#backlog;
      await seen;
    }
    this.#backlog = undefined;
    if (this.#phase === 'settled') return;
    if (this.#ending !== undefined) return this.#ending();
    this.#stallClock.start(this.#wire.limits.stallTimeoutMs);
    this.#throughput?.resume();
    controller.resume();
  }

  /** Runs code of the receiver, whose errors refuse the response and are no faults of the connection. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    this.#settle(() => this.#result.reject(error), 'response was refused');
  }

  #refusedBy(proxy: HttpProxy, status: number): SealiftError {
    const { method, url } = this.#options.request;
    return prefixError(`${method} ${url}`, proxyRefusal(proxy, status));
  }

  #cancel = (): void => {
    const { signal } = this.#options;
    if (signal !== undefined) this.#settle(() => this.#result.reject(cancellation(signal)), 'request was cancelled');
  };

  #complete(): void {
    const head = this.#head;
    if (head === undefined) throw new SealiftError('INTERNAL', 'exchange completed without a response head');
    const excerpt = new Uint8Array(Buffer.concat(this.#excerpt));
    this.#settle(() => this.#result.resolve({ kind: 'complete', head, excerpt }), 'response is no longer needed');
  }

  #break(cause: unknown): void {
    if (this.#phase === 'drain' || this.#phase === 'excerpt') this.#complete();
    else this.#settle(() => this.#result.resolve({ kind: 'broken', cause }), 'connection failed');
  }

  #beginExcerpt(): void {
    this.#phase = 'excerpt';
    const { headersTimeoutMs } = this.#wire.limits;
    this.#limitTotalTime(Math.min(headersTimeoutMs, this.#options.timeoutMs ?? headersTimeoutMs));
  }

  #addToExcerpt(chunk: Buffer): void {
    this.#stallClock.noteActivity();
    const missing = this.#wire.limits.maxErrorBodyBytes - this.#excerptBytes;
    // The buffer is reused.
    this.#excerpt.push(new Uint8Array(chunk.subarray(0, missing)));
    this.#excerptBytes += Math.min(missing, chunk.length);
    if (chunk.length >= missing) this.#complete();
  }

  #drain(head: ResponseHead): void {
    const length = Number(head.headers['content-length']?.[0] ?? Number.NaN);
    if (length <= MAX_DRAINED_BYTES) {
      this.#phase = 'drain';
      this.#limitTotalTime(this.#wire.limits.headersTimeoutMs);
    } else this.#complete();
  }

  #settle(answer: () => void, reason: string): void {
    if (this.#phase === 'settled') return;
    const wasConnecting = this.#phase === 'connecting';
    this.#phase = 'settled';
    this.#stallClock.stop();
    clearTimeout(this.#deadlineTimer);
    this.#options.signal?.removeEventListener('abort', this.#cancel);
    answer();
    if (wasConnecting) this.#abandonConnection(reason);
    // This has no effect on a response that has ended.
    else this.#controller?.abort(new SealiftError('PULL_CANCELLED', reason));
  }

  #abandonConnection(reason: string): void {
    this.#countConnecting(-1);
    // undici does not say which connection a request waits for, so connections stay while other requests wait.
    const { lane, origin } = this.#route;
    if ((lane.connecting.get(origin) ?? 0) > 0) return;
    lane.connector.abandon(origin, new SealiftError('PULL_CANCELLED', reason));
  }

  #countConnecting(difference: 1 | -1): void {
    const { lane, origin } = this.#route;
    const count = (lane.connecting.get(origin) ?? 0) + difference;
    if (count > 0) lane.connecting.set(origin, count);
    else lane.connecting.delete(origin);
  }

  #limitTotalTime(timeoutMs: number): void {
    clearTimeout(this.#deadlineTimer);
    this.#deadlineTimer = setTimeout(() => {
      const context = { limit: 'documentTimeoutMs', expected: timeoutMs };
      this.#break(
        new SealiftError('HTTP_UNAVAILABLE', `expected the whole response within ${timeoutMs} ms`, { context }),
      );
    }, timeoutMs);
  }

  #watchThroughput(): void {
    const { clock, limits } = this.#wire;
    const { timeoutMs, receiver } = this.#options;
    if (timeoutMs !== undefined) return;
    const { throughputWindowMs: windowMs, minThroughputBytes: minBytes } = limits;
    this.#throughput = new LeastThroughput({ clock, blockedMs: receiver.blockedMs, windowMs, minBytes });
  }

  #judgeThroughput(bytes: number): void {
    const actual = this.#phase === 'body' ? this.#throughput?.note(bytes) : undefined;
    if (actual === undefined) return;
    const { throughputWindowMs, minThroughputBytes: expected } = this.#wire.limits;
    const message = `connection brought ${actual} bytes in ${throughputWindowMs} ms, expected at least ${expected}`;
    const context = { limit: 'minThroughputBytes', expected, actual };
    this.#break(new SealiftError('HTTP_UNAVAILABLE', message, { context }));
  }

  #stall(): void {
    const limit = this.#phase === 'head' ? 'headersTimeoutMs' : 'stallTimeoutMs';
    const waitedFor = this.#phase === 'head' ? 'response' : 'more of the body';
    const context = { limit, expected: this.#wire.limits[limit] };
    this.#break(new SealiftError('HTTP_UNAVAILABLE', `connection stalled waiting for ${waitedFor}`, { context }));
  }
}

/**
 * Sends one request and passes the response to the receiver. Resolves when the exchange is complete or its connection
 * broke. Rejects at once, with the connection closed, if the receiver throws or the signal aborts.
 */
export async function exchange(wire: Wire, options: ExchangeOptions): Promise<ExchangeOutcome> {
  const outcome = await new Exchange(wire, options).run();
  // undici can reuse a connection only one event-loop iteration after its response; before that, the next request would
  // open another connection.
  await setImmediate();
  return outcome;
}
