import { describe, expect, it } from 'vitest';
import { Lanes } from '../../../src/pull/index.ts';
import { orderLayers } from '../../../src/pull/order-layers.ts';

const never = new AbortController().signal;

function deferred() {
  return Promise.withResolvers<void>();
}

describe('Lanes', () => {
  it('runs as many at once as there are lanes', async () => {
    const lanes = new Lanes(2);
    let running = 0;
    let most = 0;
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    await Promise.all(Array.from({ length: 9 }, () => lanes.run(1, never, work)));
    expect(most).toBe(2);
    expect(running).toBe(0);
  });

  it('does not let single lanes overtake one that wants two', async () => {
    const lanes = new Lanes(2);
    const order: string[] = [];
    const first = deferred();
    const running = lanes.run(1, never, () => first.promise);
    const pair = lanes.run(2, never, async () => void order.push('pair'));
    const single = lanes.run(1, never, async () => void order.push('single'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    first.resolve();
    await Promise.all([running, pair, single]);
    expect(order).toEqual(['pair', 'single']);
  });

  it('gives lanes back when the work fails', async () => {
    const lanes = new Lanes(1);
    await expect(lanes.run(1, never, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await lanes.run(1, never, async () => {});
  });

  it('lets a waiter go when it is cancelled, and serves the next', async () => {
    const lanes = new Lanes(2);
    const first = deferred();
    const running = lanes.run(1, never, () => first.promise);
    const abort = new AbortController();
    const pair = lanes.run(2, abort.signal, async () => {});
    const single = lanes.run(1, never, async () => 'served');
    abort.abort(new Error('cancelled'));
    await expect(pair).rejects.toThrow('cancelled');
    expect(await single).toBe('served');
    first.resolve();
    await running;
  });

  it('treats a wish for more lanes than there are as one for all', async () => {
    expect(await new Lanes(2).run(5, never, async () => 'served')).toBe('served');
  });
});

describe('orderLayers', () => {
  const order = (...sizes: number[]) =>
    orderLayers(sizes.map((size) => ({ size }))).map(({ layer, split }) => `${layer.size}${split ? ' split' : ''}`);

  it.each([
    ['no layer', [], []],
    ['a single layer', [5], ['5 split']],
    ['a layer that outweighs the rest', [1, 100, 2], ['100 split', '2 split', '1 split']],
    ['equal layers', [5, 5, 5, 5], ['5', '5', '5 split', '5 split']],
    ['unequal layers of which none dominates', [40, 50, 30], ['50', '40 split', '30 split']],
    ['empty layers', [0, 0], ['0 split', '0 split']],
  ])('goes from the largest down and splits what dominates: %s', (_, sizes, expected) => {
    expect(order(...sizes)).toEqual(expected);
  });
});
