import { describe, expect, it } from 'vitest';
import { FetchQueue, type FetchSlot } from '../../../src/layer/fetch-queue.ts';

async function begunOf(slots: readonly FetchSlot[]): Promise<boolean[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return slots.map((slot) => slot.hasBegun());
}

describe('FetchQueue', () => {
  it('begins the first at once, without waiting for the event loop', () => {
    expect(new FetchQueue().join().hasBegun()).toBe(true);
  });

  it('begins each when the one before has ended', async () => {
    const queue = new FetchQueue();
    const [one, two, three] = [queue.join(), queue.join(), queue.join()];
    expect(await begunOf([one, two, three])).toEqual([true, false, false]);
    one.end();
    one.end();
    await two.begun;
    expect(await begunOf([one, two, three])).toEqual([true, true, false]);
    two.end();
    await three.begun;
    three.end();
    expect(queue.join().hasBegun()).toBe(true);
  });

  it('lets no blob pass the first when the second is given up', async () => {
    const queue = new FetchQueue();
    const [one, two, three] = [queue.join(), queue.join(), queue.join()];
    two.end();
    expect(await begunOf([one, three])).toEqual([true, false]);
    one.end();
    await three.begun;
    expect(three.hasBegun()).toBe(true);
  });
});
