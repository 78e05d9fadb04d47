import { beforeEach, describe, expect, it } from 'vitest';
import {
  createRangeBudget,
  createRangeBudgetMemory,
  freeRangeBudget,
  type RangeBudget,
  SLICE_BYTES,
} from '../../../src/http/range-budget.ts';

const SLICES = 10;

let taken: SharedArrayBuffer;

beforeEach(() => {
  taken = createRangeBudgetMemory();
});

function thread(): { readonly budget: RangeBudget; readonly share: SharedArrayBuffer } {
  const share = createRangeBudgetMemory();
  return { share, budget: createRangeBudget({ taken, share, maxBytes: SLICES * SLICE_BYTES + 1 }) };
}

const all = (): number => new Int32Array(taken)[0] ?? 0;

describe('the budget for ranges', () => {
  it('grants what is wanted, then what is left, then nothing', () => {
    const [first, second] = [thread().budget, thread().budget];
    expect(first.take(6, 2)).toBe(6);
    expect(second.take(6, 2)).toBe(4);
    expect(first.take(1, 1)).toBe(0);
    second.give(4);
    expect(first.take(8, 5)).toBe(0);
    expect(all()).toBe(6);
  });

  it('takes back what a thread had that has ended, once', () => {
    const [dead, living] = [thread(), thread()];
    dead.budget.take(7, 1);
    living.budget.take(2, 1);
    freeRangeBudget(taken, dead.share);
    freeRangeBudget(taken, dead.share);
    expect(all()).toBe(2);
    // The thread may still be ending.
    dead.budget.give(7);
    expect(all()).toBe(2);
  });
});
