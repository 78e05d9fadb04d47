import type { WorkerHandle } from './worker-handle.ts';

/** Two threads that work on one layer after the other: while one applies a layer, the other fetches the next. */
export interface LinePair {
  readonly fetcher: WorkerHandle;
  readonly applier: WorkerHandle;
}

interface PairPorts {
  readonly open: () => LinePair;
  readonly close: (pair: LinePair) => void;
}

interface HeldPair {
  readonly pair: LinePair;
  /** Layers whose fetching or applying has not ended. */
  layers: number;
  isFetching: boolean;
}

/** A layer's place on a pair. Both ends are told once; telling again does nothing. */
export interface PairTurn extends LinePair {
  /** The next layer may begin to be fetched. */
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
  readonly #waiting: ((pair: HeldPair) => void)[] = [];

  constructor(count: number, ports: PairPorts) {
    this.#count = count;
    this.#ports = ports;
  }

  /** Waits for a pair whose fetcher is free. Rejects with the signal's reason. */
  async take(signal: AbortSignal | undefined): Promise<PairTurn> {
    signal?.throwIfAborted();
    const held = this.#free() ?? (await this.#wait(signal));
    held.isFetching = true;
    held.layers += 1;
    return this.#turn(held);
  }

  #free(): HeldPair | undefined {
    if (this.#waiting.length > 0) return undefined;
    for (const held of this.#held) if (isDead(held)) this.#held.delete(held);
    const idle = [...this.#held].find(({ isFetching }) => !isFetching);
    if (idle !== undefined || this.#held.size >= this.#count) return idle;
    return this.#open();
  }

  #open(): HeldPair {
    const held = { pair: this.#ports.open(), layers: 0, isFetching: false };
    this.#held.add(held);
    return held;
  }

  #wait(signal: AbortSignal | undefined): Promise<HeldPair> {
    return new Promise((resolve, reject) => {
      const start = (held: HeldPair): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(held);
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

  #turn(held: HeldPair): PairTurn {
    let isFetching = true;
    let isOpen = true;
    const fetched = (): void => {
      if (!isFetching) return;
      isFetching = false;
      held.isFetching = false;
      this.#serve(held);
    };
    const ended = (): void => {
      if (!isOpen) return;
      isOpen = false;
      held.layers -= 1;
      fetched();
      this.#closeIfIdle(held);
    };
    return { ...held.pair, fetched, ended };
  }

  #serve(held: HeldPair): void {
    if (isDead(held)) this.#held.delete(held);
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const chosen = isDead(held) ? this.#open() : held;
    // Taken here already: who comes between this and the waiter's turn must not find it free.
    chosen.isFetching = true;
    next(chosen);
  }

  #closeIfIdle(held: HeldPair): void {
    if (held.layers > 0 || held.isFetching) return;
    this.#held.delete(held);
    this.#ports.close(held.pair);
  }
}

function isDead({ pair }: HeldPair): boolean {
  return pair.fetcher.isDead || pair.applier.isDead;
}
