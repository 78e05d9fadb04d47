import { describe, expect, it } from 'vitest';
import { expectLinearTime } from '../../../support/machine/linear-time.ts';

/** Keeps this thread at work for so many milliseconds of its CPU time. */
function spin(ms: number): void {
  const before = process.threadCpuUsage();
  while (process.threadCpuUsage(before).user + process.threadCpuUsage(before).system < ms * 1_000);
}

describe('expectLinearTime', () => {
  it('passes work whose time grows with the size', () => {
    expectLinearTime(16, (size) => () => spin(4 * size));
  });

  it('fails for work whose time grows with the square of the size', () => {
    expect(() => expectLinearTime(16, (size) => () => spin(size ** 2))).toThrow('8 times the input');
  });
});
