import ffi from 'node:ffi';

const PAGE_BYTES = 4096;
const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

const POINTER = 'pointer';
const { functions: libc } = ffi.dlopen(null, {
  mmap: { return: POINTER, arguments: [POINTER, 'u64', 'i32', 'i32', 'i32', 'i64'] },
  mprotect: { return: 'i32', arguments: [POINTER, 'u64', 'i32'] },
});

/** Memory between two pages that cannot be touched: a read or write outside ends the process with SIGSEGV. */
export interface GuardedMemory {
  /** The last `length` bytes, directly before the page behind them. */
  atEnd(length: number): Buffer;
  /** The first `length` bytes, directly behind the page before them. */
  atStart(length: number): Buffer;
}

/** Maps at least `bytes`, rounded up to whole pages. The memory stays until the process ends. */
export function mapGuarded(bytes: number): GuardedMemory {
  const inside = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  const whole = BigInt(inside + 2 * PAGE_BYTES);
  const start = libc.mmap(null, whole, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0n);
  const usable = start + BigInt(PAGE_BYTES);
  if (libc.mprotect(usable, BigInt(inside), PROT_READ_WRITE) !== 0) throw new Error('mprotect failed');
  const memory = ffi.toBuffer(usable, inside, false);
  return {
    atEnd: (length) => memory.subarray(inside - length),
    atStart: (length) => memory.subarray(0, length),
  };
}
