/** The position of one blob in the order in which a thread fetches. */
export interface FetchSlot {
  /** Resolves when all blobs before this one have been fetched or given up. Never rejects. */
  readonly begun: Promise<void>;
  hasBegun(): boolean;
  /** Lets the next blob begin. Idempotent. */
  end(): void;
}

/**
 * Blobs use a fetch thread one after the other: what a later one receives before its slot begins is held back. Why
 * requests are open ahead: docs/adr/0021-parallel-ranges.md, "Small layers".
 */
export class FetchQueue {
  #last: Promise<void> = Promise.resolve();
  #open = 0;

  join(): FetchSlot {
    const own = Promise.withResolvers<void>();
    let hasBegun = this.#open === 0;
    this.#open += 1;
    const begun = this.#last.then(() => {
      hasBegun = true;
    });
    // A later blob waits for all before it, so that one given up early does not let it pass those still ahead.
    this.#last = Promise.all([begun, own.promise]).then(() => {});
    let hasEnded = false;
    const end = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#open -= 1;
      own.resolve();
    };
    return { begun, hasBegun: () => hasBegun, end };
  }
}
