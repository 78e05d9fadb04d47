import { type Failed, type RetryOptions, TryCount } from './retry.ts';

/** A time in which a blob's attempts begin; it ends with the first of them that fails. */
export type TryRound = number & { readonly __brand: 'TryRound' };

/**
 * The tries of a blob, whatever the number of its connections. When a server goes, it takes all of them: the failures of
 * attempts that had begun by then are one, and are waited for together.
 */
export class BlobTries {
  readonly #count: TryCount;
  readonly #receivedBytes: () => number;
  #round = 0;
  #progressAt = 0;
  #pause: Promise<void> | undefined;

  /** `receivedBytes`: of the whole, on all connections together. */
  constructor(options: RetryOptions, receivedBytes: () => number) {
    this.#count = new TryCount(options);
    this.#receivedBytes = receivedBytes;
  }

  /** To be kept by an attempt that begins now. */
  get round(): TryRound {
    return this.#round as TryRound;
  }

  /** Nothing should be asked for before those that wait have waited. */
  get isPausing(): boolean {
    return this.#pause !== undefined;
  }

  /** Waits until it may be tried again. Throws the failure when that was the last try, or the cancellation. */
  async waitAfter(failed: Failed, round: TryRound): Promise<void> {
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
