import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createRangeBudget,
  createRangeBudgetMemory,
  type RangeBudget,
  SLICE_BYTES,
} from '../../../src/http/range-budget.ts';
import { RangeSegment, SlicePool, slicesFor } from '../../../src/http/range-segment.ts';

const REASON = new Error('not needed');

let taken: SharedArrayBuffer;
let budget: RangeBudget;
let pool: SlicePool;

beforeEach(() => {
  taken = createRangeBudgetMemory();
  budget = createRangeBudget({ taken, share: createRangeBudgetMemory(), maxBytes: 100 * SLICE_BYTES });
  pool = new SlicePool();
});

const takenSlices = (): number => new Int32Array(taken)[0] ?? 0;

function segment(length: number): RangeSegment {
  const granted = budget.take(slicesFor(length), 1);
  return new RangeSegment({ start: 1_000, length, granted }, { budget, pool });
}

/** Delivers all complete slices. */
function drain(range: RangeSegment): Buffer {
  const parts: Buffer[] = [];
  for (let slice = range.next(); slice !== undefined; slice = range.next()) {
    parts.push(Buffer.from(slice));
    range.shift();
  }
  return Buffer.concat(parts);
}

describe('RangeSegment', () => {
  it.each([1, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES + 7])(
    'gives %i bytes as they came, in slices, and its memory back',
    (length) => {
      const bytes = randomBytes(length);
      const range = segment(length);
      const parts: Buffer[] = [];
      for (let at = 0; at < length; at += 65_537) {
        range.append(bytes.subarray(at, at + 65_537));
        parts.push(drain(range));
      }
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
      expect(parts.every((part) => part.length % SLICE_BYTES === 0) || parts.at(-1)?.length !== 0).toBe(true);
      expect(range.isDelivered).toBe(true);
      expect(range.missingBytes).toBe(0);
      expect(takenSlices()).toBe(0);
    },
  );

  it('gives nothing of a slice that is not complete', () => {
    const range = segment(2 * SLICE_BYTES);
    range.append(Buffer.alloc(SLICE_BYTES - 1));
    expect(range.next()).toBeUndefined();
    expect(range.position).toBe(1_000 + SLICE_BYTES - 1);
  });

  it('ends with what has come when it is truncated', () => {
    const range = segment(4 * SLICE_BYTES);
    range.append(Buffer.alloc(SLICE_BYTES + 5));
    expect(drain(range)).toHaveLength(SLICE_BYTES);
    range.truncate();
    expect(takenSlices()).toBe(1);
    expect(drain(range)).toHaveLength(5);
    expect(range.isDelivered).toBe(true);
    expect(takenSlices()).toBe(0);
  });

  it('is delivered when it is truncated before anything came', () => {
    const range = segment(4 * SLICE_BYTES);
    range.truncate();
    expect(range.isDelivered).toBe(true);
    expect(takenSlices()).toBe(0);
  });

  it('gives its memory back when it is dropped, once, and ends its connection', () => {
    const range = segment(4 * SLICE_BYTES);
    range.append(Buffer.alloc(2 * SLICE_BYTES));
    range.next();
    range.shift();
    range.drop(REASON);
    range.drop(REASON);
    expect(takenSlices()).toBe(0);
    expect(range.signal.reason).toBe(REASON);
  });

  it('gives nothing back twice when it is dropped under a writer', () => {
    const other = segment(3 * SLICE_BYTES);
    const range = segment(2 * SLICE_BYTES);
    range.append(Buffer.alloc(2 * SLICE_BYTES));
    range.next();
    range.drop(REASON);
    range.shift();
    expect(takenSlices()).toBe(3);
    other.drop(REASON);
    expect(takenSlices()).toBe(0);
  });

  it('leaves a slice alone that a writer is at, though it is dropped', () => {
    const range = segment(SLICE_BYTES);
    range.append(Buffer.alloc(SLICE_BYTES, 7));
    const lent = range.next();
    range.drop(REASON);
    pool.take().fill(9);
    pool.trim();
    expect(lent?.[0]).toBe(7);
  });

  it('uses memory again, and frees it at once', () => {
    const first = segment(SLICE_BYTES);
    first.append(Buffer.alloc(SLICE_BYTES));
    const memory = first.next()?.buffer;
    first.shift();
    const second = segment(SLICE_BYTES);
    second.append(Buffer.alloc(SLICE_BYTES));
    expect(second.next()?.buffer).toBe(memory);
    second.shift();
    pool.trim();
    expect(memory?.byteLength).toBe(0);
  });
});
