import { describe, expect, it } from 'vitest';
import { decidePace, FIRST_PACE, type Pace, slowDown } from '../../../src/http/pace.ts';

const MAX = 8;
const WIRE_BOUND = 0.9;

/** Judges windows whose throughput is `bytesPerMs` of the current number of connections. */
function live(
  windows: number,
  bytesPerMs: (connections: number) => number,
  { from = FIRST_PACE, idleShare = WIRE_BOUND, max = MAX }: { from?: Pace; idleShare?: number; max?: number } = {},
): Pace[] {
  const paces = [from];
  for (let window = 0; window < windows; window += 1) {
    const pace = paces.at(-1) ?? from;
    paces.push(decidePace(pace, { bytesPerMs: bytesPerMs(pace.connections), idleShare }, max));
  }
  return paces;
}

const connectionsOf = (paces: readonly Pace[]): number[] => paces.map(({ connections }) => connections);

describe('decidePace', () => {
  it('doubles the connections while each has the same rate', () => {
    expect(connectionsOf(live(5, (connections) => connections * 20_000))).toEqual([1, 2, 4, 8, 8, 8]);
  });

  it.each([
    [1, [1, 1]],
    [3, [1, 2, 3, 3]],
    [6, [1, 2, 4, 6, 6]],
  ])('has never more than %i', (max, expected) => {
    expect(connectionsOf(live(expected.length - 1, (connections) => connections, { max }))).toEqual(expected);
  });

  it('goes back one step where more connections bring no more, after a second look', () => {
    const shared = (connections: number): number => Math.min(connections, 4) * 20_000;
    expect(connectionsOf(live(8, shared))).toEqual([1, 2, 4, 8, 8, 4, 4, 4, 4]);
    expect(connectionsOf(live(5, () => 20_000))).toEqual([1, 2, 2, 1, 1, 1]);
  });

  it.each([
    [1.19, 1],
    [1.21, 2],
  ])('takes %f times the bytes of one connection for worth %i', (gain, connections) => {
    const paces = live(3, (now) => (now === 1 ? 1_000 : 1_000 * gain), { max: 2 });
    expect(paces.at(-1)?.connections).toBe(connections);
  });

  it('forgives one bad window', () => {
    const start = live(1, () => 1_000);
    const bad = decidePace(start.at(-1) ?? FIRST_PACE, { bytesPerMs: 500, idleShare: WIRE_BOUND }, MAX);
    expect(decidePace(bad, { bytesPerMs: 2_000, idleShare: WIRE_BOUND }, MAX).connections).toBe(4);
  });

  it('adds none while the thread itself takes the time, however long', () => {
    expect(new Set(connectionsOf(live(500, (connections) => connections, { idleShare: 0.3 })))).toEqual(new Set([1]));
  });

  it('stays with what it has once the thread has become the bottleneck', () => {
    const four = live(2, (connections) => connections * 20_000).at(-1) ?? FIRST_PACE;
    const busy = live(2, () => 80_000, { from: four, idleShare: 0.1 });
    expect(busy.at(-1)).toMatchObject({ connections: 4, settledWindows: 0 });
    expect(live(100, () => 80_000, { from: busy.at(-1) ?? four, idleShare: 0.1 }).at(-1)?.connections).toBe(4);
  });

  it('goes on when the thread was busy for one window only', () => {
    const four = live(2, (connections) => connections * 20_000).at(-1) ?? FIRST_PACE;
    const busy = live(1, () => 80_000, { from: four, idleShare: 0.1 });
    expect(live(1, () => 80_000, { from: busy.at(-1) ?? four }).at(-1)?.connections).toBe(8);
  });

  it('looks again after a while, and then less and less often', () => {
    const counts = connectionsOf(live(400, () => 20_000));
    const probes = counts.flatMap((count, window) => (count === 2 && counts[window - 1] === 1 ? [window] : []));
    const pauses = probes.slice(1).map((window, index) => window - (probes[index] ?? 0));
    expect(pauses.length).toBeGreaterThan(2);
    for (const [index, pause] of pauses.entries())
      if (index > 0) expect(pause).toBeGreaterThan(1.5 * (pauses[index - 1] ?? 0));
  });

  it('finds more when it looks again', () => {
    const settled = live(4, () => 20_000).at(-1) ?? FIRST_PACE;
    expect(live(30, (connections) => connections * 20_000, { from: settled }).at(-1)?.connections).toBe(MAX);
  });
});

describe('slowDown', () => {
  it.each([
    [8, 4],
    [6, 3],
    [3, 1],
    [1, 1],
  ])('makes %i connections %i and stays there', (connections, expected) => {
    const slowed = slowDown({ ...FIRST_PACE, connections });
    expect(slowed.connections).toBe(expected);
    expect(live(5, (now) => now, { from: slowed }).at(-1)?.connections).toBe(expected);
  });
});
