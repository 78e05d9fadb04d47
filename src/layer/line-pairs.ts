import { WaitQueue } from '../slots/index.ts';

/** The state of a thread that `LinePairs` looks at. */
export interface PairedThread {
  readonly isDead: boolean;
}

/** Two threads that work on one layer after the other: while one applies a layer, the other fetches the next. */
export interface LinePair<Thread extends PairedThread> {
  readonly fetcher: Thread;
  readonly applier: Thread;
  /** Hashes what the applier writes. Set when the first layer that needs a hash tree arrives. */
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
  /** Layers that are not fetched yet, in order: the one being fetched, and those whose requests are open ahead. */
  readonly fetching: Fetching[];
}

interface Fetching {
  /** Bytes of the blob that have not been received yet. */
  missingBytes: number;
}

/**
 * The next request is sent when at most this much is still to come of all blobs begun: more than four connections of
 * 50 MB/s bring in 80 ms.
 */
const AHEAD_BYTES = 16 * 1024 * 1024;
/** Requests of one pair that are open at a time, the current one included; as many as skopeo sends. */
const MAX_REQUESTS = 6;

/** A layer's slot on a pair of threads. `fetched` and `ended` are idempotent. */
export interface LineSlot<Thread extends PairedThread> {
  readonly pair: LinePair<Thread>;
  /** Reports how many bytes of this layer's blob are still to come, which decides when the next request is sent. */
  noteMissing(bytes: number): void;
  /** Call when this layer is fetched, so that the next one may be. */
  fetched(): void;
  /** Call when no thread works on this layer any more. */
  ended(): void;
}

/**
 * Shares out the pairs of the process, one for every two cores whatever the number of pulls, in the order of the
 * requests. A pair is opened when it is needed and closed when nothing is left to do on it.
 */
export class LinePairs<Thread extends PairedThread> {
  readonly #count: number;
  readonly #ports: PairPorts<Thread>;
  readonly #held = new Set<HeldPair<Thread>>();
  /** Layers that wait for a slot, by the size of their blobs. */
  readonly #queue = new WaitQueue<number, LineSlot<Thread>>();

  constructor(count: number, ports: PairPorts<Thread>) {
    this.#count = count;
    this.#ports = ports;
  }

  /**
   * Waits for a pair whose fetcher is free, or soon will be. Rejects with the signal's reason, or with what kept a thread
   * from being started.
   */
  async reserve(blobBytes: number, signal: AbortSignal | undefined): Promise<LineSlot<Thread>> {
    signal?.throwIfAborted();
    const held = this.#queue.isEmpty ? this.#find() : undefined;
    return held === undefined ? this.#queue.wait(blobBytes, signal) : this.#begin(held, blobBytes);
  }

  /** Returns undefined when every pair is busy. Throws what kept a thread from being started. */
  #find(): HeldPair<Thread> | undefined {
    for (const held of this.#held) if (isDead(held)) this.#held.delete(held);
    const idle = [...this.#held].find(({ fetching }) => fetching.length === 0);
    if (idle !== undefined) return idle;
    // A pair of its own serves a layer better than the next slot on a busy pair.
    return this.#held.size < this.#count ? this.#open() : [...this.#held].find(hasRoom);
  }

  #open(): HeldPair<Thread> {
    const held: HeldPair<Thread> = { pair: this.#ports.open(), layers: 0, fetching: [] };
    this.#held.add(held);
    return held;
  }

  #begin(held: HeldPair<Thread>, blobBytes: number): LineSlot<Thread> {
    const own: Fetching = { missingBytes: blobBytes };
    held.fetching.push(own);
    held.layers += 1;
    let isOpen = true;
    const noteMissing = (bytes: number): void => {
      own.missingBytes = bytes;
      this.#serve();
    };
    const fetched = (): void => {
      const position = held.fetching.indexOf(own);
      if (position === -1) return;
      held.fetching.splice(position, 1);
      this.#serve();
    };
    const ended = (): void => {
      if (!isOpen) return;
      isOpen = false;
      held.layers -= 1;
      fetched();
      this.#closeIfIdle(held);
    };
    return { pair: held.pair, noteMissing, fetched, ended };
  }

  /** Gives queued layers their slots. A layer for which no pair can be opened fails, and those behind it go on. */
  #serve(): void {
    while (!this.#queue.isEmpty) {
      let held: HeldPair<Thread> | undefined;
      try {
        held = this.#find();
      } catch (error) {
        this.#queue.shift()?.refuse(error);
        continue;
      }
      if (held === undefined) return;
      const next = this.#queue.shift();
      next?.grant(this.#begin(held, next.request));
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
