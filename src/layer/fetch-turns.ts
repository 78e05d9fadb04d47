/** One blob's place in the row of those that a thread fetches. */
export interface FetchTurn {
  /** All blobs before it have been fetched, or given up. Never rejects. */
  readonly begun: Promise<void>;
  hasBegun(): boolean;
  end(): void;
}

/** Blobs share a thread one after the other: what a later one sends before its turn waits in the socket. */
export class FetchTurns {
  #last: Promise<void> = Promise.resolve();
  #open = 0;

  take(): FetchTurn {
    const own = Promise.withResolvers<void>();
    let hasBegun = this.#open === 0;
    this.#open += 1;
    const begun = this.#last.then(() => {
      hasBegun = true;
    });
    // Whoever comes later waits for all before: one that is given up early lets nobody pass the one before it.
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
