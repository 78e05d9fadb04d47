import { describe, expect, it } from 'vitest';
import { LinePairs, type PairTurn } from '../../../src/layer/line-pairs.ts';

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
  const pairs = new LinePairs<FakeThread>(count, {
    open: () => {
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
  const numberOf = ({ pair }: PairTurn<FakeThread>) => pair.fetcher.number;
  return { pairs, open, dead, numberOf };
}

/** What a promise has come to after everything that is ready has run. */
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
    const first = await pairs.take(BIG, undefined);
    expect(open).toEqual([1]);
    const second = await pairs.take(BIG, undefined);
    expect(open).toEqual([1, 2]);
    first.ended();
    second.ended();
    second.ended();
    expect(open).toEqual([]);
  });

  it('gives the next layer its turn as soon as the one before has been fetched', async () => {
    const { pairs, open, numberOf } = setUp(1);
    const first = await pairs.take(BIG, undefined);
    const next = pairs.take(BIG, undefined);
    expect(await isSettled(next)).toBe(false);
    first.fetched();
    const second = await next;
    expect(numberOf(second)).toBe(1);
    first.ended();
    expect(open).toEqual([1]);
    second.ended();
    expect(open).toEqual([]);
  });

  it('gives the next layer its turn ahead, when the one before is nearly fetched', async () => {
    const { pairs, numberOf } = setUp(1);
    const first = await pairs.take(BIG, undefined);
    const next = pairs.take(BIG, undefined);
    const afterNext = pairs.take(SMALL, undefined);
    first.missing(BIG - 1);
    expect(await isSettled(next)).toBe(false);
    first.missing(SMALL);
    const second = await next;
    expect(numberOf(second)).toBe(1);
    // It is large itself.
    expect(await isSettled(afterNext)).toBe(false);
    first.fetched();
    expect(await isSettled(afterNext)).toBe(false);
    second.missing(SMALL);
    const third = await afterNext;
    for (const turn of [first, second, third]) turn.ended();
  });

  it('gives several small layers their turns ahead, and as many as are worth it', async () => {
    const { pairs } = setUp(1);
    const waiting = Array.from({ length: 8 }, () => pairs.take(SMALL, undefined));
    const settled = async () => {
      const each = await Promise.all(waiting.map(isSettled));
      return each.filter((isThere) => isThere).length;
    };
    expect(await settled()).toBe(6);
    (await waiting[1])?.fetched();
    expect(await settled()).toBe(7);
    (await waiting[0])?.ended();
    expect(await settled()).toBe(8);
    for (const turn of await Promise.all(waiting)) turn.ended();
  });

  it('keeps everybody off the pair of a layer that says so', async () => {
    const { pairs } = setUp(1);
    const alone = await pairs.take(Number.POSITIVE_INFINITY, undefined);
    const next = pairs.take(SMALL, undefined);
    expect(await isSettled(next)).toBe(false);
    alone.ended();
    (await next).ended();
  });

  it('gives a newcomer the place ahead only when every pair is busy and none can be opened', async () => {
    const { pairs, open, numberOf } = setUp(2);
    const first = await pairs.take(BIG, undefined);
    first.missing(SMALL);
    const second = await pairs.take(BIG, undefined);
    expect(numberOf(second)).toBe(2);
    const third = await pairs.take(BIG, undefined);
    expect(numberOf(third)).toBe(1);
    expect(await isSettled(pairs.take(BIG, undefined).then((turn) => turn.ended()))).toBe(false);
    for (const turn of [first, second, third]) turn.ended();
    await new Promise((resolve) => setImmediate(resolve));
    expect(open).toEqual([]);
  });

  it('keeps the pair while the layer ahead is given up before its turn', async () => {
    const { pairs, open } = setUp(1);
    const first = await pairs.take(BIG, undefined);
    first.missing(SMALL);
    const second = await pairs.take(BIG, undefined);
    second.ended();
    expect(open).toEqual([1]);
    const third = await pairs.take(BIG, undefined);
    first.ended();
    third.ended();
    expect(open).toEqual([]);
  });

  it('serves first come, first served, and nobody twice', async () => {
    const { pairs } = setUp(1);
    const order: string[] = [];
    const first = await pairs.take(BIG, undefined);
    const waiting = ['a', 'b', 'c'].map(async (name) => {
      const turn = await pairs.take(BIG, undefined);
      order.push(name);
      await new Promise((resolve) => setImmediate(resolve));
      turn.ended();
    });
    first.fetched();
    first.fetched();
    first.ended();
    await Promise.all(waiting);
    expect(order).toEqual(['a', 'b', 'c']);
  });

  it('lets a waiter go when it is cancelled, and serves the one behind', async () => {
    const { pairs } = setUp(1);
    const first = await pairs.take(BIG, undefined);
    const abort = new AbortController();
    const cancelled = pairs.take(BIG, abort.signal);
    const next = pairs.take(BIG, undefined);
    abort.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    first.ended();
    (await next).ended();
  });

  it('refuses a turn to a signal that was aborted before', async () => {
    const { pairs, open } = setUp(1);
    await expect(pairs.take(BIG, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(open).toEqual([]);
  });

  it('gives a waiter a new pair when a thread of the old one has died', async () => {
    const { pairs, open, dead, numberOf } = setUp(1);
    const first = await pairs.take(BIG, undefined);
    const next = pairs.take(BIG, undefined);
    dead.add(1);
    first.ended();
    const second = await next;
    expect(numberOf(second)).toBe(2);
    second.ended();
    expect(open).toEqual([]);
  });

  it('gives a newcomer a new pair when the idle one has died', async () => {
    const { pairs, dead, numberOf } = setUp(1);
    const first = await pairs.take(BIG, undefined);
    first.fetched();
    dead.add(1);
    const second = await pairs.take(BIG, undefined);
    expect(numberOf(second)).toBe(2);
    first.ended();
    second.ended();
  });
});
