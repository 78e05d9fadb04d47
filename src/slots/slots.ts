import { WaitQueue } from './wait-queue.ts';

/** Bounded concurrency: a fixed number of slots, taken in the order of the requests. */
export class Slots {
  #free: number;
  readonly #queue = new WaitQueue<undefined, void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a slot; returns the function that releases it. Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#queue.wait(undefined, signal);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.#queue.shift();
      // The slot passes directly to the next in the queue: a call that comes in between does not find it free.
      if (next === undefined) this.#free += 1;
      else next.grant();
    };
  }
}
