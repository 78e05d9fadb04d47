/** A request in a queue. `grant` ends its wait. */
interface Waiting<Request, Grant> {
  readonly request: Request;
  readonly grant: (granted: Grant) => void;
}

/** Requests that wait, in their order, until each is granted or its signal aborts. */
export class WaitQueue<Request, Grant> {
  readonly #waiting: Waiting<Request, Grant>[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves to what the request is granted. Rejects with the signal's reason. */
  wait(request: Request, signal: AbortSignal | undefined): Promise<Grant> {
    return new Promise((resolve, reject) => {
      const grant = (granted: Grant): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(granted);
      };
      const waiting = { request, grant };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Removes the first request from the queue and returns it. The caller must grant it at once. */
  shift(): Waiting<Request, Grant> | undefined {
    return this.#waiting.shift();
  }
}
