import { type FailedAttempt, type RetryOptions, TryCount } from './retry.ts';

/** A period in which attempts for a blob begin. It ends when the first of them fails. */
export type TryRound = number & { readonly __brand: 'TryRound' };

/**
 * Counts the tries of a blob over all its connections. A server that goes down breaks all of them, so the failures of
 * attempts from the same round count as one and share one pause.
 */
export class BlobTries {
  readonly #count: TryCount;
  readonly #receivedBytes: () => number;
  #round = 0;
  #progressAt = 0;
  #pause: Promise<void> | undefined;

  /** `receivedBytes` returns the bytes of the blob that were received on all connections. */
  constructor(options: RetryOptions, receivedBytes: () => number) {
    this.#count = new TryCount(options);
    this.#receivedBytes = receivedBytes;
  }

  /** The current round. An attempt keeps it for `waitAfter`. */
  get round(): TryRound {
    return this.#round as TryRound;
  }

  /** True during a pause, in which no request should be sent. */
  get isPausing(): boolean {
    return this.#pause !== undefined;
  }

  /** Waits until the next try may begin. Throws the failure if that was the last try, or the cancellation. */
  async waitAfter(failed: FailedAttempt, round: TryRound): Promise<void> {
    if (round === this.#round) {
      this.#round += 1;
      const receivedBytes = this.#receivedBytes();
      const progressBytes = receivedBytes - this.#progressAt;
      this.#progressAt = receivedBytes;
      this.#pause = this.#count.waitAfter({ ...failed, progressBytes }).finally(() => {
        this.#pause = undefined;
      });
    }
    await this.#pause;
  }
}
