import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StallClock } from '../../../src/http/stall-clock.ts';

const LIMIT_MS = 1_000;

let nowMs: number;
let blockedMs: number;
let stalls: number;
let stallClock: StallClock;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  nowMs = 0;
  blockedMs = 0;
  stalls = 0;
  const clock = { now: () => nowMs, wallNow: () => 0, random: () => 0, sleep: () => Promise.resolve() };
  const onStall = () => {
    stalls += 1;
    stallClock.stop();
  };
  stallClock = new StallClock({ clock, blockedMs: () => blockedMs, onStall });
  stallClock.start(LIMIT_MS);
});

afterEach(() => {
  vi.useRealTimers();
});

function pass(durationMs: number): void {
  nowMs += durationMs;
  vi.advanceTimersByTime(durationMs);
}

describe('StallClock', () => {
  it('tells after the limit, not before', () => {
    pass(LIMIT_MS - 1);
    expect(stalls).toBe(0);
    pass(1);
    vi.advanceTimersToNextTimer();
    expect(stalls).toBe(1);
  });

  it('begins anew with each activity', () => {
    for (let round = 0; round < 5; round++) {
      pass(LIMIT_MS - 1);
      stallClock.noteActivity();
    }
    expect(stalls).toBe(0);
  });

  it('leaves out the time that we were blocked ourselves', () => {
    blockedMs = 10 * LIMIT_MS;
    pass(10 * LIMIT_MS);
    pass(LIMIT_MS - 2);
    expect(stalls).toBe(0);
    pass(2);
    vi.advanceTimersToNextTimer();
    expect(stalls).toBe(1);
  });

  it('looks again for activity after a timer that came late', () => {
    nowMs = 5 * LIMIT_MS;
    vi.advanceTimersToNextTimer();
    // The socket is read between the timer and the check.
    stallClock.noteActivity();
    vi.advanceTimersToNextTimer();
    expect(stalls).toBe(0);
    pass(LIMIT_MS);
    vi.advanceTimersToNextTimer();
    expect(stalls).toBe(1);
  });

  it('leaves no timer behind when it is stopped', () => {
    stallClock.stop();
    stallClock.start(LIMIT_MS);
    stallClock.stop();
    pass(10 * LIMIT_MS);
    expect(stalls).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
