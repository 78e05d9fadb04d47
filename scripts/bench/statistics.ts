import type { Cell } from './rounds.ts';
import type { Sample } from './run-once.ts';

export interface Summary {
  readonly wall: { readonly median: number; readonly min: number; readonly max: number };
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly diskBytes: number;
}

/** Returns medians, and the spread of the wall times. Undefined when nothing was measured. */
export function summarize({ samples }: Pick<Cell, 'samples'>): Summary | undefined {
  if (samples.length === 0) return undefined;
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  const walls = samples.map(({ wallSeconds }) => wallSeconds);
  return {
    wall: { median: median(walls), min: Math.min(...walls), max: Math.max(...walls) },
    cpuSeconds: of(({ cpuSeconds }) => cpuSeconds),
    // The maximum, not the median: that much memory has to be available.
    peakBytes: Math.max(...samples.map(({ peakBytes }) => peakBytes)),
    diskBytes: of(({ diskBytes }) => diskBytes),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = low] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}
