import { collectAllGarbage, collectLastGarbage } from './collect-garbage.ts';
import { type PageOutResult, pageOutCode } from './page-out-code.ts';
import { trimHeap } from './trim-heap.ts';

/** As many elements make an array of 800 kB, which V8 gives a page of its own. */
const LARGE_ARRAY = 100_000;

/**
 * Returns memory that V8 and malloc keep for later to the system. Takes about 50 ms: call it when the process is idle.
 */
export function releaseMemory(): void {
  collectLastGarbage();
  trimHeap();
}

/**
 * Makes V8 return the pages of ended threads, which it keeps in a pool for the next thread. V8 starts the task that
 * empties the pool only when a page is added to it, and only if the last such task is more than 12 s ago: call this when
 * no thread has ended for longer. The task runs in another thread and takes up to 8 s.
 */
export function releaseThreadMemory(): void {
  dropLargeArray();
  collectAllGarbage();
}

/** Returns also code, which is read again for the next work. */
export function releaseCode(): PageOutResult {
  trimHeap();
  return pageOutCode();
}

/** The array is garbage when this function has returned. */
function dropLargeArray(): void {
  new Array<number>(LARGE_ARRAY).fill(0);
}
