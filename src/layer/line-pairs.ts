/** What is to be known of a thread that pairs are made of. */
export interface PairedThread {
  readonly isDead: boolean;
}

/** Two threads that work on one layer after the other: while one applies a layer, the other fetches the next. */
export interface LinePair<Thread extends PairedThread> {
  readonly fetcher: Thread;
  readonly applier: Thread;
  /** Hashes what the applier writes; there from the first layer on that wants a tree. */
  hasher?: Thread;
}

interface PairPorts<Thread extends PairedThread> {
  readonly open: () => LinePair<Thread>;
  readonly close: (pair: LinePair<Thread>) => void;
}

interface HeldPair<Thread extends PairedThread> {
  readonly pair: LinePair<Thread>;
  /** Layers whose fetching or applying has not ended. */
  layers: number;
  /** Layers that are not fetched yet, in turn: one, and those whose requests are open ahead. */
  readonly fetching: Fetching[];
}

interface Waiting<Thread extends PairedThread> {
  readonly blobBytes: number;
  readonly start: (turn: PairTurn<Thread>) => void;
}

interface Fetching {
  /** Of the blob, that have not been taken. */
  missingBytes: number;
}

/** With so little to come, the next request goes out: more than four connections of 50 MB/s bring in 80 ms. */
const AHEAD_BYTES = 16 * 1024 * 1024;
/** Requests of one pair that are open at a time, the one in its turn among them; as many as skopeo sends. */
const MAX_REQUESTS = 6;

/** A layer's place on a pair. That it is fetched, or ended, is told once; telling again does nothing. */
export interface PairTurn<Thread extends PairedThread> {
  readonly pair: LinePair<Thread>;
  /** Of this layer's blob, that are still to come: with little left of all that were begun, the next one's is sent. */
  missing(bytes: number): void;
  /** The next layer may be fetched. */
  fetched(): void;
  /** Nothing of this layer runs any more. */
  ended(): void;
}

/**
 * Shares out the pairs of the process, as many as pairs of cores, whatever the number of pulls; first come, first
 * served. A pair is opened when it is wanted and closed when nothing is left to do on it.
 */
export class LinePairs<Thread extends PairedThread> {
  readonly #count: number;
  readonly #ports: PairPorts<Thread>;
  readonly #held = new Set<HeldPair<Thread>>();
  readonly #waiting: Waiting<Thread>[] = [];

  constructor(count: number, ports: PairPorts<Thread>) {
    this.#count = count;
    this.#ports = ports;
  }

  /** Waits for a pair whose fetcher is free, or will be in a moment. Rejects with the signal's reason. */
  async take(blobBytes: number, signal: AbortSignal | undefined): Promise<PairTurn<Thread>> {
    signal?.throwIfAborted();
    const held = this.#free();
    return held === undefined ? this.#wait(blobBytes, signal) : this.#begin(held, blobBytes);
  }

  #free(): HeldPair<Thread> | undefined {
    if (this.#waiting.length > 0) return undefined;
    for (const held of this.#held) if (isDead(held)) this.#held.delete(held);
    const idle = [...this.#held].find(({ fetching }) => fetching.length === 0);
    if (idle !== undefined) return idle;
    // A pair of one's own is better than the next place on another.
    return this.#held.size < this.#count ? this.#open() : [...this.#held].find(hasRoom);
  }

  #open(): HeldPair<Thread> {
    const held: HeldPair<Thread> = { pair: this.#ports.open(), layers: 0, fetching: [] };
    this.#held.add(held);
    return held;
  }

  #wait(blobBytes: number, signal: AbortSignal | undefined): Promise<PairTurn<Thread>> {
    return new Promise((resolve, reject) => {
      const start = (turn: PairTurn<Thread>): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(turn);
      };
      const waiting = { blobBytes, start };
      const onAbort = (): void => {
        const position = this.#waiting.indexOf(waiting);
        if (position === -1) return;
        this.#waiting.splice(position, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #begin(held: HeldPair<Thread>, blobBytes: number): PairTurn<Thread> {
    const own: Fetching = { missingBytes: blobBytes };
    held.fetching.push(own);
    held.layers += 1;
    let isOpen = true;
    const missing = (bytes: number): void => {
      own.missingBytes = bytes;
      this.#serve(held);
    };
    const fetched = (): void => {
      const place = held.fetching.indexOf(own);
      if (place === -1) return;
      held.fetching.splice(place, 1);
      this.#serve(held);
    };
    const ended = (): void => {
      if (!isOpen) return;
      isOpen = false;
      held.layers -= 1;
      fetched();
      this.#closeIfIdle(held);
    };
    return { pair: held.pair, missing, fetched, ended };
  }

  #serve(held: HeldPair<Thread>): void {
    let pair = held;
    while (this.#waiting.length > 0) {
      if (isDead(pair)) {
        this.#held.delete(pair);
        pair = this.#open();
      } else if (!hasRoom(pair)) return;
      const next = this.#waiting.shift();
      next?.start(this.#begin(pair, next.blobBytes));
    }
  }

  #closeIfIdle(held: HeldPair<Thread>): void {
    if (held.layers > 0) return;
    this.#held.delete(held);
    this.#ports.close(held.pair);
  }
}

function hasRoom({ fetching }: Pick<HeldPair<PairedThread>, 'fetching'>): boolean {
  if (fetching.length === 0) return true;
  const missingBytes = fetching.reduce((sum, each) => sum + each.missingBytes, 0);
  return fetching.length < MAX_REQUESTS && missingBytes <= AHEAD_BYTES;
}

function isDead({ pair }: HeldPair<PairedThread>): boolean {
  return pair.fetcher.isDead || pair.applier.isDead || pair.hasher?.isDead === true;
}
