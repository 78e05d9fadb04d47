import { expect, it } from 'vitest';
import { createWireGauge } from '../../../src/layer/wire-gauge.ts';

it('reports, window by window, whether the thread mostly waits', () => {
  let now = 0;
  let idle = 0;
  const isWireBound = createWireGauge({ now: () => now, idleMs: () => idle });
  const pass = (ms: number, idleMs: number): boolean => {
    now += ms;
    idle += idleMs;
    return isWireBound();
  };
  // Nothing is known yet.
  expect(pass(0, 0)).toBe(false);
  expect(pass(60, 30)).toBe(true);
  // The window is not over.
  expect(pass(20, 0)).toBe(true);
  expect(pass(40, 10)).toBe(false);
  expect(pass(50, 20)).toBe(true);
});
