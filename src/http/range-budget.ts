/** Ranges are held in slices of this one size, so that any range can reuse a slice. */
export const SLICE_BYTES = 256 * 1024;

/**
 * Memory for ranges, counted in slices and shared by the process. No range waits for it: without it, none is requested.
 */
export interface RangeBudget {
  /** Returns the number of slices granted: `wanted`, or fewer but at least `least`, or 0. */
  take(wanted: number, least: number): number;
  give(slices: number): void;
}

export interface RangeBudgetOptions {
  /** One 32-bit word: the slices that all threads of the process have taken. */
  readonly taken: SharedArrayBuffer;
  /** One 32-bit word: the slices of this thread, so that they can be given back after the thread has ended. */
  readonly share: SharedArrayBuffer;
  readonly maxBytes: number;
}

export function createRangeBudgetMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4);
}

export function createRangeBudget({ taken, share, maxBytes }: RangeBudgetOptions): RangeBudget {
  const all = new Int32Array(taken);
  const own = new Int32Array(share);
  const max = Math.floor(maxBytes / SLICE_BYTES);
  return {
    take(wanted, least) {
      for (;;) {
        const before = Atomics.load(all, 0);
        const granted = Math.min(wanted, max - before);
        if (granted < Math.max(1, least)) return 0;
        if (Atomics.compareExchange(all, 0, before, before + granted) !== before) continue;
        Atomics.add(own, 0, granted);
        return granted;
      }
    },
    give(slices) {
      // If this thread counts as ended, its slices have already been given back.
      for (;;) {
        const before = Atomics.load(own, 0);
        const given = Math.min(slices, before);
        if (Atomics.compareExchange(own, 0, before, before - given) !== before) continue;
        Atomics.sub(all, 0, given);
        return;
      }
    },
  };
}

/** Gives back the slices of a thread that has ended. */
export function freeRangeBudget(taken: SharedArrayBuffer, share: SharedArrayBuffer): void {
  Atomics.sub(new Int32Array(taken), 0, Atomics.exchange(new Int32Array(share), 0, 0));
}
