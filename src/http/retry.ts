import { type ErrorContext, SealiftError } from '../errors/index.ts';
import { cancellation } from './cancellation.ts';
import type { TransportClock, TransportLimits } from './types.ts';

/** How one attempt ended when it neither failed for good (that is thrown) nor was cancelled. */
export type Attempt<T> =
  | { readonly kind: 'done'; readonly value: T }
  | {
      readonly kind: 'failed';
      /** Coded `HTTP_UNAVAILABLE`. */
      readonly error: SealiftError;
      /** Nothing will be different the next time. */
      readonly lasting: boolean;
      /** What the server asked for with Retry-After. */
      readonly retryAfterMs: number | undefined;
      /** Bytes of the whole that this attempt has brought. */
      readonly progressBytes: number;
    };

export type Failed = Extract<Attempt<never>, { kind: 'failed' }>;

export interface RetryOptions {
  readonly limits: TransportLimits;
  readonly clock: TransportClock;
  readonly maxTries: number;
  readonly signal: AbortSignal | undefined;
}

export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status <= 599);
}

/** Seconds or an HTTP date, in milliseconds from now. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
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

/** Doubles from `retryDelayMs`, half of it random; at least what the server asked for; at most `maxRetryDelayMs`. */
export function retryDelayMs({ tries, retryAfterMs, random }: RetryDelay, limits: TransportLimits): number {
  const full = limits.retryDelayMs * 2 ** Math.min(tries - 1, 20);
  const jittered = full / 2 + (full / 2) * random;
  return Math.min(Math.max(jittered, retryAfterMs ?? 0), limits.maxRetryDelayMs);
}

function giveUp(error: SealiftError, tries: number, limit: ErrorContext): SealiftError {
  const { code, context, hint, cause } = error;
  return new SealiftError(code, `${error.message}, gave up after ${tries} ${tries === 1 ? 'try' : 'tries'}`, {
    // What ended each try says more than that there were no more of them.
    context: { ...limit, ...context, tries },
    hint,
    cause,
  });
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
 * Tries of one thing, counted anew after `minRetryProgressBytes` of progress, so that a long download survives many short
 * breaks; `maxTotalTries` bounds that.
 */
export class TryCount {
  readonly #options: RetryOptions;
  #tries = 0;
  #total = 0;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** Waits until it may be tried again. Throws the failure when that was the last try, or the cancellation. */
  async waitAfter(failed: Failed): Promise<void> {
    const { limits, clock, maxTries } = this.#options;
    this.#total += 1;
    this.#tries = failed.progressBytes >= limits.minRetryProgressBytes ? 1 : this.#tries + 1;
    if (failed.lasting) throw giveUp(failed.error, this.#total, {});
    if (this.#total >= limits.maxTotalTries) {
      throw giveUp(failed.error, this.#total, { limit: 'maxTotalTries', expected: limits.maxTotalTries });
    }
    if (this.#tries >= maxTries) {
      // Where there is another place, it is not the limit that ends this one.
      const isLimit = maxTries === limits.maxTries;
      throw giveUp(failed.error, this.#total, isLimit ? { limit: 'maxTries', expected: maxTries } : {});
    }
    const { retryAfterMs } = failed;
    await pause(retryDelayMs({ tries: this.#tries, retryAfterMs, random: clock.random() }, limits), this.#options);
  }
}

/** Repeats `attempt` until it is done. Throws the last failure. */
export async function withRetries<T>(attempt: () => Promise<Attempt<T>>, options: RetryOptions): Promise<T> {
  const tries = new TryCount(options);
  for (;;) {
    const result = await attempt();
    if (result.kind === 'done') return result.value;
    await tries.waitAfter(result);
  }
}
