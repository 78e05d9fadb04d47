/** A request in a queue. `grant` and `refuse` end its wait. */
interface Waiting<Request, Grant> {
  readonly request: Request;
  readonly grant: (granted: Grant) => void;
  readonly refuse: (error: unknown) => void;
}

/** Requests that wait, in their order, until each is granted or its signal aborts. */
export class WaitQueue<Request, Grant> {
  readonly #waiting: Waiting<Request, Grant>[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves to what the request is granted. Rejects with the signal's reason, or with the error of a refusal. */
  wait(request: Request, signal: AbortSignal | undefined): Promise<Grant> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
      };
      const grant = (granted: Grant): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(granted);
      };
      const refuse = (error: unknown): void => {
        signal?.removeEventListener('abort', onAbort);
        reject(error);
      };
      const waiting = { request, grant, refuse };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Removes the first request from the queue and returns it. The caller must grant or refuse it at once. */
  shift(): Waiting<Request, Grant> | undefined {
    return this.#waiting.shift();
  }
}
