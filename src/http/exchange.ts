import { setImmediate } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { prefixError, SealiftError } from '../errors/index.ts';
import { cancellation } from './cancellation.ts';
import type { PaceRule } from './pace.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { proxyRefusal } from './proxy-fault.ts';
import type { RangeBudget } from './range-budget.ts';
import type { SlicePool } from './range-segment.ts';
import type { Route, Router } from './route.ts';
import { StallClock } from './stall-clock.ts';
import type { HttpRequest, ResponseHead, ResponseHeaders, TransportClock, TransportLimits } from './types.ts';

/** Takes one response. What it throws ends the exchange unchanged. */
export interface Receiver {
  /** `discard` ends the exchange with the head alone; `request` is what was answered, after all redirects. */
  onHead(head: ResponseHead, request: HttpRequest): 'read' | 'discard';
  /** `enough` ends the exchange before the body does; a promise holds the connection back until it settles. */
  onData(chunk: Uint8Array): 'more' | 'enough' | Promise<void>;
  readonly blockedMs: () => number;
}

export type ExchangeOutcome =
  | { readonly kind: 'complete'; readonly head: ResponseHead }
  | { readonly kind: 'broken'; readonly cause: unknown };

/** One request, and the object that takes its response. */
export interface ExchangeOptions {
  readonly request: HttpRequest;
  /** What it throws is thrown by the exchange. */
  readonly receiver: Receiver;
  readonly signal: AbortSignal | undefined;
  /** Bound on the whole exchange from its start; none for a blob. */
  readonly timeoutMs: number | undefined;
}

/** What all exchanges of one transport share. */
export interface Wire {
  readonly route: Router['route'];
  readonly limits: TransportLimits;
  readonly clock: TransportClock;
  readonly ranging: Ranging;
}

/** What blobs in ranges take besides. */
export interface Ranging {
  readonly budget: RangeBudget;
  readonly pool: SlicePool;
  readonly decidePace: PaceRule;
  /** Milliseconds that this thread has slept so far, waiting for something to happen. */
  readonly idleMs: () => number;
}

/** A body that nobody reads is read to its end when it is this short, so that the connection can be used again. */
const MAX_DRAINED_BYTES = 65_536;

function toResponseHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): ResponseHeaders {
  return Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [name.toLowerCase(), value === undefined ? [] : [value].flat()]),
  );
}

type Phase = 'connecting' | 'head' | 'body' | 'drain' | 'settled';

/** One request and its response on one connection, with our own clocks. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #wire: Wire;
  readonly #route: Route;
  readonly #options: ExchangeOptions;
  readonly #result = Promise.withResolvers<ExchangeOutcome>();
  #phase: Phase = 'connecting';
  #controller: Dispatcher.DispatchController | undefined;
  #head: ResponseHead | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;
  readonly #stallClock: StallClock;
  /** Deliveries that the receiver has not finished with. */
  #backlog: Promise<void> | undefined;
  /** How the connection ended while there was a backlog. */
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
    // undici starts a request again when a kept connection turns out to be closed.
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
    this.#guard(() => {
      const { receiver, request } = this.#options;
      const { reader } = this.#route;
      if (reader !== undefined && status === 407) throw this.#refusedBy(reader, status);
      const head = { status, headers: toResponseHeaders(headers) };
      this.#head = head;
      if (receiver.onHead(head, request) === 'discard') this.#drain(head);
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#backlog !== undefined) {
      // What the parser still held when the connection was paused.
      this.#backlog = this.#backlog.then(() => this.#deliver(chunk));
      return;
    }
    const pending = this.#deliver(chunk);
    this.#stallClock.noteActivity();
    if (pending === undefined) return;
    controller.pause();
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
    controller.resume();
  }

  /** Runs code of the receiver; its errors are answers, not faults of the connection. */
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
    this.#settle(() => this.#result.resolve({ kind: 'complete', head }), 'response is no longer needed');
  }

  #break(cause: unknown): void {
    if (this.#phase === 'drain') this.#complete();
    else this.#settle(() => this.#result.resolve({ kind: 'broken', cause }), 'connection failed');
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
    // Does nothing to a response that has ended.
    else this.#controller?.abort(new SealiftError('PULL_CANCELLED', reason));
  }

  #abandonConnection(reason: string): void {
    this.#countConnecting(-1);
    // undici does not tell which connection is whose; when others wait as well, theirs decides.
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

  #stall(): void {
    const limit = this.#phase === 'head' ? 'headersTimeoutMs' : 'stallTimeoutMs';
    const waitedFor = this.#phase === 'head' ? 'response' : 'more of the body';
    const context = { limit, expected: this.#wire.limits[limit] };
    this.#break(new SealiftError('HTTP_UNAVAILABLE', `connection stalled waiting for ${waitedFor}`, { context }));
  }
}

/**
 * Sends one request and hands the response to `receiver`. Resolves with how the connection did; rejects with what the
 * receiver threw or with the cancellation, at once and with the connection closed.
 */
export async function exchange(wire: Wire, options: ExchangeOptions): Promise<ExchangeOutcome> {
  const outcome = await new Exchange(wire, options).run();
  // undici takes a connection back one turn of the loop after its response; sooner, the next request opens another.
  await setImmediate();
  return outcome;
}
