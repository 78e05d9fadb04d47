import { WIRE_BOUND_SHARE } from '../http/index.ts';

export interface WireGaugeOptions {
  /** Returns monotonic milliseconds. */
  readonly now: () => number;
  /** Returns how many milliseconds the event loop has been idle so far. */
  readonly idleMs: () => number;
}

const WINDOW_MS = 50;

/**
 * Returns a function that is true while the thread mostly waits for the network, so that early bytes are worth
 * holding.
 */
export function createWireGauge({ now, idleMs }: WireGaugeOptions): () => boolean {
  let start = { at: now(), idleMs: idleMs() };
  let isWireBound = false;
  return () => {
    const elapsedMs = now() - start.at;
    if (elapsedMs >= WINDOW_MS) {
      const idle = idleMs();
      isWireBound = (idle - start.idleMs) / elapsedMs >= WIRE_BOUND_SHARE;
      start = { at: now(), idleMs: idle };
    }
    return isWireBound;
  };
}
