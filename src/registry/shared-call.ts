import { raceCancellation } from '../errors/index.ts';

interface Running<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/** Callers that arrive while the work is running share it. It is cancelled when the last of them is. */
export class SharedCall<T> {
  #running: Running<T> | undefined;

  async run(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const running = this.#running ?? this.#start(work);
    running.waiters += 1;
    try {
      return await raceCancellation(running.promise, signal);
    } finally {
      running.waiters -= 1;
      if (running.waiters === 0) this.#leave(running, signal);
    }
  }

  #start(work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const running = { promise: work(controller.signal), controller, waiters: 0 };
    this.#running = running;
    return running;
  }

  #leave(running: Running<T>, signal: AbortSignal | undefined): void {
    if (this.#running === running) this.#running = undefined;
    running.controller.abort(signal?.reason);
  }
}
