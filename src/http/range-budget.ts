/** Ranges are held in pieces of this size, all alike, so that they can be used again for any other. */
export const SLICE_BYTES = 256 * 1024;

/** Memory of the process for ranges, counted in slices. Nobody waits for it: without it no further range is asked for. */
export interface RangeBudget {
  /** Grants `wanted` slices, or fewer but at least `least`, or none. */
  take(wanted: number, least: number): number;
  give(slices: number): void;
}

export interface RangeBudgetOptions {
  /** One word: what all threads of the process have taken. */
  readonly taken: SharedArrayBuffer;
  /** One word: what of it is this thread's, so that it can be given back for a thread that has ended. */
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
      // A thread that counts as ended has nothing left to give: it was given back for it.
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

/** Gives back what a thread that has ended had taken. */
export function freeRangeBudget(taken: SharedArrayBuffer, share: SharedArrayBuffer): void {
  Atomics.sub(new Int32Array(taken), 0, Atomics.exchange(new Int32Array(share), 0, 0));
}
