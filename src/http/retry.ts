import { cancellation, type ErrorContext, SealiftError } from '../errors/index.ts';
import type { TransportClock, TransportLimits } from './types.ts';

/** The result of one attempt. Errors that permit no further try, and cancellations, are thrown instead. */
export type AttemptResult<T> =
  | { readonly kind: 'done'; readonly value: T }
  | {
      readonly kind: 'failed';
      /** Its code is `HTTP_UNAVAILABLE`. */
      readonly error: SealiftError;
      /** True if another try would fail in the same way. */
      readonly lasting: boolean;
      /** The pause that the server asked for with Retry-After. */
      readonly retryAfterMs: number | undefined;
      /** New bytes that this attempt received. */
      readonly progressBytes: number;
    };

export type FailedAttempt = Extract<AttemptResult<never>, { kind: 'failed' }>;

export interface RetryOptions {
  readonly limits: TransportLimits;
  readonly clock: TransportClock;
  readonly maxTries: number;
  /** Milliseconds until the deadline of the call, counted from now; undefined if there is none. */
  readonly leftMs?: number | undefined;
  readonly signal: AbortSignal | undefined;
}

export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status <= 599);
}

/** Parses seconds or an HTTP date into milliseconds from now. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
export function parseRetryAfter(rawValue: string | undefined, wallNowMs: number): number | undefined {
  if (rawValue === undefined) return undefined;
  if (/^\d{1,9}$/.test(rawValue)) return Number(rawValue) * 1000;
  if (!/^[A-Z][a-z]{2,8},? /.test(rawValue)) return undefined;
  const date = Date.parse(rawValue);
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallNowMs);
}

export interface RetryDelay {
  /** Tries so far, 1 after the first one. */
  readonly tries: number;
  readonly retryAfterMs: number | undefined;
  /** Chosen at random, from 0 to 1. */
  readonly random: number;
}

/**
 * Doubles from `retryDelayMs`, half of it random. At least what the server asked for, and at most `maxRetryDelayMs`.
 */
export function retryDelayMs({ tries, retryAfterMs, random }: RetryDelay, limits: TransportLimits): number {
  const full = limits.retryDelayMs * 2 ** Math.min(tries - 1, 20);
  const jittered = full / 2 + (full / 2) * random;
  return Math.min(Math.max(jittered, retryAfterMs ?? 0), limits.maxRetryDelayMs);
}

function giveUp(error: SealiftError, tries: number, limit: ErrorContext): SealiftError {
  const { code, context, hint, cause } = error;
  return new SealiftError(code, `${error.message}, gave up after ${tries} ${tries === 1 ? 'try' : 'tries'}`, {
    // The last failure may name a limit of its own, which is more useful than the number of tries.
    context: { ...limit, ...context, tries },
    hint,
    cause,
  });
}

/** Formats a wait for a message, rounded up. */
export function formatWait(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

/** The server asked for a longer wait than there is time for. */
function tooLong(error: SealiftError, askedMs: number, { leftMs, limit }: WaitBound): SealiftError {
  const { code, context, hint, cause } = error;
  const asked = `${error.message}; the server asks to wait ${formatWait(askedMs)}`;
  const isDeadline = limit === undefined;
  const message = `${asked}, and ${isDeadline ? 'the call has' : 'a request waits at most'} ${formatWait(leftMs)}`;
  const bound = isDeadline ? {} : { limit, expected: leftMs, actual: askedMs };
  return new SealiftError(code, `${message}${isDeadline ? ' left' : ''}`, {
    context: { ...bound, ...context },
    hint,
    cause,
  });
}

/** The longest wait that is possible, and the limit that says so unless it is the deadline of the call. */
interface WaitBound {
  readonly leftMs: number;
  readonly limit?: 'maxRetryAfterMs';
}

async function pause(delayMs: number, options: RetryOptions): Promise<void> {
  try {
    await options.clock.sleep(delayMs, options.signal);
  } catch (error) {
    if (options.signal?.aborted) throw cancellation(options.signal);
    throw error;
  }
}

/**
 * Counts the tries for one document or blob. The count starts again after `minRetryProgressBytes` of progress, so that
 * a long download survives many interruptions; `maxTotalTries` bounds them.
 */
export class TryCount {
  readonly #options: RetryOptions;
  readonly #startedMs: number;
  #tries = 0;
  #total = 0;

  constructor(options: RetryOptions) {
    this.#options = options;
    this.#startedMs = options.clock.now();
  }

  /** Waits until the next try may begin. Throws the failure if that was the last try, or the cancellation. */
  async waitAfter(failed: FailedAttempt): Promise<void> {
    const { limits, clock, maxTries } = this.#options;
    this.#total += 1;
    this.#tries = failed.progressBytes >= limits.minRetryProgressBytes ? 1 : this.#tries + 1;
    if (failed.lasting) throw giveUp(failed.error, this.#total, {});
    if (this.#total >= limits.maxTotalTries) {
      throw giveUp(failed.error, this.#total, { limit: 'maxTotalTries', expected: limits.maxTotalTries });
    }
    if (this.#tries >= maxTries) {
      // A request with fewer tries has an alternative, so it is not the limit that ended it.
      const isLimit = maxTries === limits.maxTries;
      throw giveUp(failed.error, this.#total, isLimit ? { limit: 'maxTries', expected: maxTries } : {});
    }
    const { retryAfterMs } = failed;
    const bound = this.#waitBound();
    if (retryAfterMs !== undefined && retryAfterMs > bound.leftMs) throw tooLong(failed.error, retryAfterMs, bound);
    await pause(retryDelayMs({ tries: this.#tries, retryAfterMs, random: clock.random() }, limits), this.#options);
  }

  #waitBound(): WaitBound {
    const { clock, limits, leftMs = Number.POSITIVE_INFINITY } = this.#options;
    const left = leftMs - (clock.now() - this.#startedMs);
    if (left < limits.maxRetryAfterMs) return { leftMs: Math.max(0, left) };
    return { leftMs: limits.maxRetryAfterMs, limit: 'maxRetryAfterMs' };
  }
}

/** Repeats `attempt` until it is done. Throws the last failure. */
export async function withRetries<T>(attempt: () => Promise<AttemptResult<T>>, options: RetryOptions): Promise<T> {
  const tries = new TryCount(options);
  for (;;) {
    const result = await attempt();
    if (result.kind === 'done') return result.value;
    await tries.waitAfter(result);
  }
}
