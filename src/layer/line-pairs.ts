import type { WorkerHandle } from './worker-handle.ts';

/** Two threads that work on one layer after the other: while one applies a layer, the other fetches the next. */
export interface LinePair {
  readonly fetcher: WorkerHandle;
  readonly applier: WorkerHandle;
  /** Hashes what the applier writes; there from the first layer on that wants a tree. */
  hasher?: WorkerHandle;
}

interface PairPorts {
  readonly open: () => LinePair;
  readonly close: (pair: LinePair) => void;
}

interface HeldPair {
  readonly pair: LinePair;
  /** Layers whose fetching or applying has not ended. */
  layers: number;
  /** Layers that are not fetched yet, in turn: one, and the one whose request is open ahead. */
  readonly fetching: Fetching[];
}

interface Fetching {
  isNearlyDone: boolean;
}

/** A layer's place on a pair. Each of its moments is told once; telling again does nothing. */
export interface PairTurn {
  readonly pair: LinePair;
  /** The next layer's request may be sent; its bytes come when all of this layer's have. */
  nearlyFetched(): void;
  /** The next layer may be fetched. */
  fetched(): void;
  /** Nothing of this layer runs any more. */
  ended(): void;
}

/**
 * Shares out the pairs of the process, as many as pairs of cores, whatever the number of pulls; first come, first
 * served. A pair is opened when it is wanted and closed when nothing is left to do on it.
 */
export class LinePairs {
  readonly #count: number;
  readonly #ports: PairPorts;
  readonly #held = new Set<HeldPair>();
  readonly #waiting: ((turn: PairTurn) => void)[] = [];

  constructor(count: number, ports: PairPorts) {
    this.#count = count;
    this.#ports = ports;
  }

  /** Waits for a pair whose fetcher is free, or will be in a moment. Rejects with the signal's reason. */
  async take(signal: AbortSignal | undefined): Promise<PairTurn> {
    signal?.throwIfAborted();
    const held = this.#free();
    return held === undefined ? this.#wait(signal) : this.#begin(held);
  }

  #free(): HeldPair | undefined {
    if (this.#waiting.length > 0) return undefined;
    for (const held of this.#held) if (isDead(held)) this.#held.delete(held);
    const idle = [...this.#held].find(({ fetching }) => fetching.length === 0);
    if (idle !== undefined) return idle;
    // A pair of one's own is better than the next place on another.
    return this.#held.size < this.#count ? this.#open() : [...this.#held].find(hasRoom);
  }

  #open(): HeldPair {
    const held = { pair: this.#ports.open(), layers: 0, fetching: [] };
    this.#held.add(held);
    return held;
  }

  #wait(signal: AbortSignal | undefined): Promise<PairTurn> {
    return new Promise((resolve, reject) => {
      const start = (turn: PairTurn): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(turn);
      };
      const onAbort = (): void => {
        const position = this.#waiting.indexOf(start);
        if (position === -1) return;
        this.#waiting.splice(position, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(start);
    });
  }

  #begin(held: HeldPair): PairTurn {
    const own: Fetching = { isNearlyDone: false };
    held.fetching.push(own);
    held.layers += 1;
    let isOpen = true;
    const nearlyFetched = (): void => {
      if (own.isNearlyDone) return;
      own.isNearlyDone = true;
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
    return { pair: held.pair, nearlyFetched, fetched, ended };
  }

  #serve(held: HeldPair): void {
    if (isDead(held)) this.#held.delete(held);
    else if (!hasRoom(held)) return;
    const next = this.#waiting.shift();
    next?.(this.#begin(isDead(held) ? this.#open() : held));
  }

  #closeIfIdle(held: HeldPair): void {
    if (held.layers > 0) return;
    this.#held.delete(held);
    this.#ports.close(held.pair);
  }
}

function hasRoom({ fetching: [current, ahead] }: HeldPair): boolean {
  return current === undefined || (current.isNearlyDone && ahead === undefined);
}

function isDead({ pair }: HeldPair): boolean {
  return pair.fetcher.isDead || pair.applier.isDead || pair.hasher?.isDead === true;
}
