import { describe, expect, it } from 'vitest';
import { LeastThroughput } from '../../../src/http/least-throughput.ts';

function open() {
  const state = { nowMs: 0, blockedMs: 0 };
  const least = new LeastThroughput({
    clock: { now: () => state.nowMs },
    blockedMs: () => state.blockedMs,
    windowMs: 1_000,
    minBytes: 100,
  });
  return { state, least };
}

describe('LeastThroughput', () => {
  it('finds a connection that brings a byte now and then, at the end of the window', () => {
    const { state, least } = open();
    for (state.nowMs = 290; state.nowMs < 1_000; state.nowMs += 290) expect(least.note(1)).toBeUndefined();
    expect(least.note(1)).toBe(4);
  });

  it('leaves one alone that brings just enough, window for window', () => {
    const { state, least } = open();
    for (state.nowMs = 500; state.nowMs <= 9_000; state.nowMs += 500) expect(least.note(50)).toBeUndefined();
  });

  it('does not let a fast beginning make up for what comes later', () => {
    const { state, least } = open();
    expect(least.note(1_000_000)).toBeUndefined();
    state.nowMs = 1_000;
    expect(least.note(1)).toBeUndefined();
    state.nowMs = 2_000;
    expect(least.note(1)).toBe(1);
  });

  it('does not count time in which the writer blocked or the connection was held back', () => {
    const { state, least } = open();
    state.nowMs = 5_000;
    state.blockedMs = 4_500;
    expect(least.note(1)).toBeUndefined();
    least.pause();
    state.nowMs = 9_000;
    least.pause();
    state.nowMs = 10_000;
    least.resume();
    least.resume();
    expect(least.note(1)).toBeUndefined();
    state.nowMs = 10_500;
    expect(least.note(1)).toBe(3);
  });
});
