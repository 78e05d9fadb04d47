import { beforeEach, describe, expect, it } from 'vitest';
import { ThroughputMeter } from '../../../src/http/throughput-meter.ts';

let nowMs: number;
let idleMs: number;
let meter: ThroughputMeter;

beforeEach(() => {
  nowMs = 0;
  idleMs = 0;
  meter = new ThroughputMeter({ windowMs: 100, now: () => nowMs, idleMs: () => idleMs });
  meter.note(1_000);
});

/** Lets time pass, for part of which the thread is idle. */
function pass(durationMs: number, sleptMs: number): void {
  nowMs += durationMs;
  idleMs += sleptMs;
}

describe('ThroughputMeter', () => {
  it('ends a window with the first chunk after it, and begins another', () => {
    pass(99, 50);
    expect(meter.note(500)).toBeUndefined();
    pass(1, 0);
    expect(meter.note(500)).toEqual({ bytesPerMs: 10, idleShare: 0.5 });
    pass(200, 200);
    expect(meter.note(1_000)).toEqual({ bytesPerMs: 5, idleShare: 1 });
  });

  it('counts all that has come, windows or not', () => {
    meter.note(7);
    meter.restart();
    meter.note(3);
    expect(meter.receivedBytes).toBe(1_010);
  });

  it('forgets what a window had when it is begun anew', () => {
    pass(90, 90);
    meter.note(100_000);
    meter.restart();
    pass(100, 0);
    expect(meter.note(100)).toEqual({ bytesPerMs: 1, idleShare: 0 });
  });

  it('does not take waiting for the writer for waiting for the wire', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = meter.hold(promise);
    pass(80, 80);
    resolve();
    await held;
    pass(20, 20);
    expect(meter.note(100)).toEqual({ bytesPerMs: 1, idleShare: 0.2 });
  });

  it('cuts a wait for the writer where a window ends', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = meter.hold(promise);
    pass(100, 100);
    expect(meter.note(100)).toEqual({ bytesPerMs: 1, idleShare: 0 });
    pass(50, 50);
    resolve();
    await held;
    pass(50, 50);
    expect(meter.note(100)).toEqual({ bytesPerMs: 1, idleShare: 0.5 });
  });

  it('passes on what the writer rejects with', async () => {
    const refusal = new Error('no');
    await expect(meter.hold(Promise.reject(refusal))).rejects.toBe(refusal);
  });
});
