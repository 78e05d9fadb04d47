import { describe, expect, it } from 'vitest';
import { LinePairs, type LineSlot } from '../../../src/layer/line-pairs.ts';

const SMALL = 1024 * 1024;
const BIG = 100 * SMALL;

interface FakeThread {
  readonly number: number;
  readonly isDead: boolean;
}

function setUp(count: number) {
  const open: number[] = [];
  let opened = 0;
  const dead = new Set<number>();
  const refusals: Error[] = [];
  const pairs = new LinePairs<FakeThread>(count, {
    open: () => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      opened += 1;
      open.push(opened);
      const number = opened;
      const thread: FakeThread = {
        number,
        get isDead() {
          return dead.has(number);
        },
      };
      return { fetcher: thread, applier: thread };
    },
    close: ({ fetcher }) => open.splice(open.indexOf(fetcher.number), 1),
  });
  const numberOf = ({ pair }: LineSlot<FakeThread>) => pair.fetcher.number;
  return { pairs, open, dead, refusals, numberOf };
}

/** Returns whether a promise has settled after everything that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('LinePairs', () => {
  it('opens pairs only as they are wanted, and closes them when nothing is left to do', async () => {
    const { pairs, open } = setUp(2);
    const first = await pairs.reserve(BIG, undefined);
    expect(open).toEqual([1]);
    const second = await pairs.reserve(BIG, undefined);
    expect(open).toEqual([1, 2]);
    first.ended();
    second.ended();
    second.ended();
    expect(open).toEqual([]);
  });

  it('gives the next layer its slot as soon as the one before has been fetched', async () => {
    const { pairs, open, numberOf } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    const next = pairs.reserve(BIG, undefined);
    expect(await isSettled(next)).toBe(false);
    first.fetched();
    const second = await next;
    expect(numberOf(second)).toBe(1);
    first.ended();
    expect(open).toEqual([1]);
    second.ended();
    expect(open).toEqual([]);
  });

  it('gives the next layer its slot ahead, when the one before is nearly fetched', async () => {
    const { pairs, numberOf } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    const next = pairs.reserve(BIG, undefined);
    const afterNext = pairs.reserve(SMALL, undefined);
    first.noteMissing(BIG - 1);
    expect(await isSettled(next)).toBe(false);
    first.noteMissing(SMALL);
    const second = await next;
    expect(numberOf(second)).toBe(1);
    // The layer is large itself.
    expect(await isSettled(afterNext)).toBe(false);
    first.fetched();
    expect(await isSettled(afterNext)).toBe(false);
    second.noteMissing(SMALL);
    const third = await afterNext;
    for (const slot of [first, second, third]) slot.ended();
  });

  it('gives several small layers their slots ahead, and as many as are worth it', async () => {
    const { pairs } = setUp(1);
    const waiting = Array.from({ length: 8 }, () => pairs.reserve(SMALL, undefined));
    const settled = async () => {
      const each = await Promise.all(waiting.map(isSettled));
      return each.filter((isThere) => isThere).length;
    };
    expect(await settled()).toBe(6);
    (await waiting[1])?.fetched();
    expect(await settled()).toBe(7);
    (await waiting[0])?.ended();
    expect(await settled()).toBe(8);
    for (const slot of await Promise.all(waiting)) slot.ended();
  });

  it('keeps everybody off the pair of a layer that says so', async () => {
    const { pairs } = setUp(1);
    const alone = await pairs.reserve(Number.POSITIVE_INFINITY, undefined);
    const next = pairs.reserve(SMALL, undefined);
    expect(await isSettled(next)).toBe(false);
    alone.ended();
    (await next).ended();
  });

  it('gives a newcomer the slot ahead only when every pair is busy and none can be opened', async () => {
    const { pairs, open, numberOf } = setUp(2);
    const first = await pairs.reserve(BIG, undefined);
    first.noteMissing(SMALL);
    const second = await pairs.reserve(BIG, undefined);
    expect(numberOf(second)).toBe(2);
    const third = await pairs.reserve(BIG, undefined);
    expect(numberOf(third)).toBe(1);
    expect(await isSettled(pairs.reserve(BIG, undefined).then((slot) => slot.ended()))).toBe(false);
    for (const slot of [first, second, third]) slot.ended();
    await new Promise((resolve) => setImmediate(resolve));
    expect(open).toEqual([]);
  });

  it('keeps the pair while the layer ahead is given up before its slot', async () => {
    const { pairs, open } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    first.noteMissing(SMALL);
    const second = await pairs.reserve(BIG, undefined);
    second.ended();
    expect(open).toEqual([1]);
    const third = await pairs.reserve(BIG, undefined);
    first.ended();
    third.ended();
    expect(open).toEqual([]);
  });

  it('serves layers in the order of their requests, and none twice', async () => {
    const { pairs } = setUp(1);
    const order: string[] = [];
    const first = await pairs.reserve(BIG, undefined);
    const waiting = ['a', 'b', 'c'].map(async (name) => {
      const slot = await pairs.reserve(BIG, undefined);
      order.push(name);
      await new Promise((resolve) => setImmediate(resolve));
      slot.ended();
    });
    first.fetched();
    first.fetched();
    first.ended();
    await Promise.all(waiting);
    expect(order).toEqual(['a', 'b', 'c']);
  });

  it('lets a waiter go when it is cancelled, and serves the one behind', async () => {
    const { pairs } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    const abort = new AbortController();
    const cancelled = pairs.reserve(BIG, abort.signal);
    const next = pairs.reserve(BIG, undefined);
    abort.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    first.ended();
    (await next).ended();
  });

  it('refuses a slot to a signal that was aborted before', async () => {
    const { pairs, open } = setUp(1);
    await expect(pairs.reserve(BIG, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(open).toEqual([]);
  });

  it('gives a waiter a new pair when a thread of the old one has died', async () => {
    const { pairs, open, dead, numberOf } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    const next = pairs.reserve(BIG, undefined);
    dead.add(1);
    first.ended();
    const second = await next;
    expect(numberOf(second)).toBe(2);
    second.ended();
    expect(open).toEqual([]);
  });

  it('gives a newcomer a new pair when the idle one has died', async () => {
    const { pairs, dead, numberOf } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    first.fetched();
    dead.add(1);
    const second = await pairs.reserve(BIG, undefined);
    expect(numberOf(second)).toBe(2);
    first.ended();
    second.ended();
  });

  it('fails the layer for which no pair can be opened, and serves those behind it', async () => {
    const { pairs, open, dead, refusals, numberOf } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    const waiting = ['a', 'b', 'c'].map(() => pairs.reserve(BIG, undefined));
    dead.add(1);
    refusals.push(new Error('no thread for a'), new Error('no thread for b'));
    first.ended();
    await expect(waiting[0]).rejects.toThrow('no thread for a');
    await expect(waiting[1]).rejects.toThrow('no thread for b');
    const third = await waiting[2];
    if (third !== undefined) expect(numberOf(third)).toBe(2);
    third?.ended();
    expect(open).toEqual([]);
  });

  it('serves later layers when no pair could be opened for any that waited', async () => {
    const { pairs, open, dead, refusals } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    const waiting = pairs.reserve(BIG, undefined);
    dead.add(1);
    refusals.push(new Error('no thread'));
    first.ended();
    await expect(waiting).rejects.toThrow('no thread');
    (await pairs.reserve(BIG, undefined)).ended();
    expect(open).toEqual([]);
  });

  it('opens one pair for one that has died, however many layers were on it', async () => {
    const { pairs, open, dead } = setUp(1);
    const first = await pairs.reserve(BIG, undefined);
    first.noteMissing(SMALL);
    const second = await pairs.reserve(BIG, undefined);
    const third = pairs.reserve(BIG, undefined);
    const fourth = pairs.reserve(BIG, undefined);
    dead.add(1);
    first.ended();
    second.ended();
    expect(open).toEqual([2]);
    (await third).ended();
    (await fourth).ended();
    expect(open).toEqual([]);
  });
});
