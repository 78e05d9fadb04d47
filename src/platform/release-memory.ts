import ffi from 'node:ffi';
import { collectLastGarbage } from './collect-garbage.ts';

let trim: ((keptBytes: bigint) => number) | undefined;

/** Gives back to the system what V8 and malloc only keep for later. It takes some 50 ms: for when nothing is to be done. */
export function releaseMemory(): void {
  collectLastGarbage();
  trim ??= findTrim();
  trim(0n);
}

/**
 * What threads have freed lies between what lives, and glibc by itself hardly gives it back
 * (https://man7.org/linux/man-pages/man3/malloc_trim.3.html). Other libraries have no such call.
 */
function findTrim(): (keptBytes: bigint) => number {
  try {
    return ffi.dlopen(null, { malloc_trim: { return: 'i32', arguments: ['u64'] } }).functions.malloc_trim;
  } catch {
    return () => 0;
  }
}
