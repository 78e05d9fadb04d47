import { describe, expect, it } from 'vitest';
import { type FetchTurn, FetchTurns } from '../../../src/layer/fetch-turns.ts';

async function begunOf(turns: readonly FetchTurn[]): Promise<boolean[]> {
  await new Promise((resolve) => setImmediate(resolve));
  return turns.map((turn) => turn.hasBegun());
}

describe('FetchTurns', () => {
  it('begins the first at once, without waiting for the event loop', () => {
    expect(new FetchTurns().take().hasBegun()).toBe(true);
  });

  it('begins each when the one before has ended', async () => {
    const turns = new FetchTurns();
    const [one, two, three] = [turns.take(), turns.take(), turns.take()];
    expect(await begunOf([one, two, three])).toEqual([true, false, false]);
    one.end();
    one.end();
    await two.begun;
    expect(await begunOf([one, two, three])).toEqual([true, true, false]);
    two.end();
    await three.begun;
    three.end();
    expect(turns.take().hasBegun()).toBe(true);
  });

  it('lets nobody pass the first when the second is given up', async () => {
    const turns = new FetchTurns();
    const [one, two, three] = [turns.take(), turns.take(), turns.take()];
    two.end();
    expect(await begunOf([one, three])).toEqual([true, false]);
    one.end();
    await three.begun;
    expect(three.hasBegun()).toBe(true);
  });
});
