import { expect } from 'vitest';

/** The large input is this many times as long as the small one: linear work takes 8 times as long, quadratic 64 times. */
const STEP = 8;
/** The largest ratio that passes, in the middle between linear and quadratic. */
const MAX_RATIO = 24;
/** Covers what does not depend on the size: compilation of the code and a garbage collection. */
const SLACK_MS = 50;
const ATTEMPTS = 3;

/**
 * Asserts that work takes time in proportion to the size of its input. `prepare` makes the input of a size and returns
 * the work on it; only the work is measured. An input of `size` is compared with one of an eighth of it, in CPU time of
 * this thread, so that neither the machine's speed nor other programs on it matter. The shortest of a few runs counts.
 */
export function expectLinearTime(size: number, prepare: (size: number) => () => unknown): void {
  const small = prepare(Math.ceil(size / STEP));
  const large = prepare(size);
  const smallMs = Math.min(...Array.from({ length: ATTEMPTS }, () => cpuMs(repeated(small)) / STEP));
  const boundMs = MAX_RATIO * smallMs + SLACK_MS;
  let largeMs = cpuMs(large);
  for (let attempt = 1; attempt < ATTEMPTS && largeMs > boundMs; attempt += 1)
    largeMs = Math.min(largeMs, cpuMs(large));
  expect(largeMs, `${STEP} times the input; the small one took ${smallMs} ms`).toBeLessThanOrEqual(boundMs);
}

/** Some kernels count processor time in ticks of 4 ms, of which a single small run may see none. */
function repeated(work: () => unknown): () => void {
  return () => {
    for (let done = 0; done < STEP; done += 1) work();
  };
}

function cpuMs(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
