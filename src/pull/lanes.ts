/**
 * The layer lines that may run at once in the whole process: as many as cores, whatever the number of pulls. Waiters
 * are served in order; one that wants two lanes is not overtaken by those that want one.
 */
export class Lanes {
  readonly count: number;
  #free: number;
  readonly #waiting: { readonly wanted: number; readonly start: () => void }[] = [];

  constructor(count: number) {
    this.count = count;
    this.#free = count;
  }

  /** Runs `work` on `wanted` lanes (at most all) as soon as they are free. */
  async run<T>(wanted: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const lanes = Math.min(wanted, this.count);
    await this.#take(lanes, signal);
    try {
      return await work();
    } finally {
      this.#free += lanes;
      this.#serve();
    }
  }

  #take(wanted: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const position = this.#waiting.indexOf(waiter);
        if (position === -1) return;
        this.#waiting.splice(position, 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiter = {
        wanted,
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
      this.#serve();
    });
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.wanted <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.wanted;
      next.start();
    }
  }
}
