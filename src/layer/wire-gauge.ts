import { WIRE_BOUND_SHARE } from '../http/index.ts';

export interface WireGaugeOptions {
  /** Monotonic. */
  readonly now: () => number;
  /** Milliseconds that the thread has slept so far, waiting for something to happen. */
  readonly idleMs: () => number;
}

const WINDOW_MS = 50;

/** Whether the thread has mostly waited for the wire of late: then what comes early is worth its memory. */
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
