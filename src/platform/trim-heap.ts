import ffi from 'node:ffi';

let trim: ((keptBytes: bigint) => number) | undefined;

/**
 * malloc_trim(3): returns memory that threads have freed to the system. It lies between memory in use, and glibc alone
 * returns hardly any of it (https://man7.org/linux/man-pages/man3/malloc_trim.3.html). Other C libraries lack the call.
 */
export function trimHeap(): void {
  trim ??= findTrim();
  trim(0n);
}

function findTrim(): (keptBytes: bigint) => number {
  try {
    return ffi.dlopen(null, { malloc_trim: { return: 'i32', arguments: ['u64'] } }).functions.malloc_trim;
  } catch {
    return () => 0;
  }
}
