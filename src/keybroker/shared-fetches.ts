import { raceCancellation, SealiftError } from '../errors/index.ts';

export interface SharedFetchesOptions {
  /** How long an answer counts, from the beginning of its fetch; 0: it is not kept. */
  readonly ttlMs: number;
  /** How long one fetch may take. */
  readonly timeoutMs: number;
  /** All answers that are kept together have at most so many bytes. */
  readonly maxBytes: number;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

export type Fetch = (signal: AbortSignal) => Promise<Uint8Array>;

interface Flight {
  readonly result: Promise<Uint8Array>;
  readonly controller: AbortController;
  waiting: number;
}

interface Kept {
  readonly bytes: Uint8Array;
  readonly untilMs: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Fetches each resource once for all that ask for it at the same time, and keeps it in memory for a while. A failure is
 * not kept, and an answer that has become too old is never given again, whatever the source says.
 */
export class SharedFetches {
  readonly #options: SharedFetchesOptions;
  readonly #flights = new Map<string, Flight>();
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  #isOpen = true;

  constructor(options: SharedFetchesOptions) {
    this.#options = options;
  }

  /**
   * Returns a copy that the caller may change. Throws what `fetch` throws, `KEYBROKER_UNAVAILABLE` when it takes too long,
   * and the cancellation of the caller's signal, which ends the fetch if there is no other caller.
   */
  async get(key: string, fetch: Fetch, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#options.nowMs() < kept.untilMs) return new Uint8Array(kept.bytes);
    if (kept !== undefined) this.#drop(key, kept);
    const flight = this.#flights.get(key) ?? this.#start(key, fetch);
    flight.waiting += 1;
    try {
      const bytes = await raceCancellation(flight.result, signal, `${key}: cancelled while it was fetched`);
      return new Uint8Array(bytes);
    } finally {
      flight.waiting -= 1;
      if (flight.waiting === 0) this.#abandon(key, flight);
    }
  }

  /** Drops everything that is kept; what is being fetched goes to its callers only. */
  close(): void {
    this.#isOpen = false;
    for (const [key, kept] of this.#kept) this.#drop(key, kept);
  }

  #start(key: string, fetch: Fetch): Flight {
    const { timeoutMs, nowMs } = this.#options;
    const startedMs = nowMs();
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(tooSlow(key, timeoutMs)), timeoutMs);
    const run = async (): Promise<Uint8Array> => {
      try {
        const bytes = await raceCancellation(fetch(controller.signal), controller.signal);
        this.#keep(key, bytes, startedMs);
        return bytes;
      } finally {
        clearTimeout(timer);
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      }
    };
    const { promise: result, resolve } = Promise.withResolvers<Uint8Array>();
    const flight: Flight = { result, controller, waiting: 0 };
    this.#flights.set(key, flight);
    resolve(run());
    // All callers may have gone.
    result.catch(() => undefined);
    return flight;
  }

  #abandon(key: string, flight: Flight): void {
    if (this.#flights.get(key) !== flight) return;
    this.#flights.delete(key);
    flight.controller.abort(new SealiftError('PULL_CANCELLED', `${key}: no longer needed`));
  }

  #keep(key: string, bytes: Uint8Array, startedMs: number): void {
    const { ttlMs, maxBytes, nowMs } = this.#options;
    const untilMs = startedMs + ttlMs;
    const leftMs = untilMs - nowMs();
    if (!this.#isOpen || leftMs <= 0 || bytes.byteLength > maxBytes) return;
    // Secrets do not stay in memory because no pull asks for them again.
    const timer = setTimeout(() => this.#drop(key, kept), leftMs).unref();
    const kept: Kept = { bytes, untilMs, timer };
    this.#kept.set(key, kept);
    this.#bytes += bytes.byteLength;
    for (const [oldest, entry] of this.#kept) {
      if (this.#bytes <= maxBytes) break;
      this.#drop(oldest, entry);
    }
  }

  #drop(key: string, kept: Kept): void {
    if (this.#kept.get(key) !== kept) return;
    clearTimeout(kept.timer);
    this.#kept.delete(key);
    this.#bytes -= kept.bytes.byteLength;
  }
}

function tooSlow(key: string, timeoutMs: number): SealiftError {
  return new SealiftError('KEYBROKER_UNAVAILABLE', `${key}: expected an answer within ${timeoutMs} ms`, {
    context: { limit: 'keyBrokerTimeoutMs', expected: timeoutMs },
  });
}
