import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRangeBudget, createRangeBudgetMemory, SLICE_BYTES } from '../../../src/http/index.ts';
import { HeldBytes } from '../../../src/layer/held-bytes.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';

const MIB = 1024 * 1024;
const bytes = pseudoRandom(5 * MIB, 'held');

function setUp({ maxBytes = 32 * MIB, isWireBound = true } = {}) {
  const taken = createRangeBudgetMemory();
  const budget = createRangeBudget({ taken, share: createRangeBudgetMemory(), maxBytes });
  const held = new HeldBytes({ budget, isWireBound: () => isWireBound });
  return { held, takenSlices: () => new Int32Array(taken)[0] };
}

/** Offers chunks of these sizes until one is not kept; returns how many bytes were kept. */
function keepAll(held: HeldBytes, sizes: readonly number[]): number {
  let kept = 0;
  for (const size of sizes) {
    if (!held.keep(bytes.subarray(kept, kept + size))) break;
    kept += size;
  }
  return kept;
}

async function handOn(held: HeldBytes): Promise<Buffer> {
  const parts: Buffer[] = [];
  // The memory that it lends is used again.
  await held.handOn((part) => void parts.push(Buffer.from(part)));
  return Buffer.concat(parts);
}

describe('HeldBytes', () => {
  it('hands on what it was given, in order, and gives its memory back', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sizes, async (chunks) => {
        const { held, takenSlices } = setUp();
        const kept = keepAll(held, chunks);
        expect(takenSlices()).toBe(Math.ceil(kept / SLICE_BYTES));
        expect((await handOn(held)).equals(bytes.subarray(0, kept))).toBe(true);
        expect(takenSlices()).toBe(0);
      }),
    );
  });

  it('keeps four MiB of a blob at most', () => {
    const { held } = setUp();
    expect(
      keepAll(
        held,
        Array.from({ length: 20 }, () => 300_000),
      ),
    ).toBe(13 * 300_000);
  });

  it('keeps nothing without memory, and keeps what it has', async () => {
    const { held, takenSlices } = setUp({ maxBytes: 2 * SLICE_BYTES });
    expect(held.keep(bytes.subarray(0, 2 * SLICE_BYTES))).toBe(true);
    expect(held.keep(bytes.subarray(0, 1))).toBe(false);
    expect(takenSlices()).toBe(2);
    expect((await handOn(held)).equals(bytes.subarray(0, 2 * SLICE_BYTES))).toBe(true);
  });

  it('keeps nothing while the thread is what takes the time', () => {
    expect(setUp({ isWireBound: false }).held.keep(bytes.subarray(0, 1))).toBe(false);
  });

  it('gives its memory back when the blob is given up, also in the middle', async () => {
    const { held, takenSlices } = setUp();
    keepAll(held, [SLICE_BYTES, SLICE_BYTES, SLICE_BYTES]);
    const failure = new Error('refused');
    let writes = 0;
    const handing = held.handOn(() => {
      writes += 1;
      if (writes === 2) throw failure;
    });
    await expect(handing).rejects.toBe(failure);
    held.close();
    held.close();
    expect(takenSlices()).toBe(0);
  });
});
