/** The number of connections for one blob, and the measurements that led to it. */
export interface Pace {
  readonly connections: number;
  /** The state before the latest connections were added; it is not decided yet whether they are worthwhile. */
  readonly before?: { readonly connections: number; readonly bytesPerMs: number };
  /** Windows since then in which the new connections did not bring enough. */
  readonly doubts?: number;
  /** Windows since the number was settled; undefined while it may still grow. */
  readonly settledWindows?: number;
  /** Windows after which a settled number is tested again; twice as many each time. */
  readonly patienceWindows: number;
}

/** Measurements of one window of time. */
export interface PaceSample {
  readonly bytesPerMs: number;
  /** The share of the window in which the thread was idle, waiting for bytes. Time of the writer does not count. */
  readonly idleShare: number;
}

/** Decides on the number of connections after a window. */
export type PaceRule = (pace: Pace, sample: PaceSample, maxConnections: number) => Pace;

/** A network that was shared may be free again. With windows of 150 ms it is tested after 3 s, 6 s, 12 s and so on. */
const FIRST_PATIENCE_WINDOWS = 20;
/**
 * Below this idle share the thread is the bottleneck: a network of twice the speed would bring less than two thirds
 * more.
 */
export const WIRE_BOUND_SHARE = 0.4;
/** Twice the connections must bring at least this many times the throughput. */
const WORTHWHILE_GAIN = 1.2;
/** A single window may be an outlier. */
const MAX_DOUBTS = 2;

export const FIRST_PACE: Pace = { connections: 1, patienceWindows: FIRST_PATIENCE_WINDOWS };

function settle({ patienceWindows }: Pace, connections: number): Pace {
  return { connections, settledWindows: 0, patienceWindows };
}

function grow({ connections, patienceWindows }: Pace, bytesPerMs: number, maxConnections: number): Pace {
  const more = Math.min(maxConnections, connections * 2);
  return { connections: more, before: { connections, bytesPerMs }, doubts: 0, patienceWindows };
}

/**
 * Doubles the connections while that raises throughput, then goes back one step and stays there. Later it tests again.
 */
export const decidePace: PaceRule = (pace, { bytesPerMs, idleShare }, maxConnections) => {
  const { connections, before, doubts = 0, settledWindows, patienceWindows } = pace;
  const canGrow = idleShare >= WIRE_BOUND_SHARE && connections < maxConnections;
  if (settledWindows !== undefined) {
    if (settledWindows < patienceWindows || !canGrow) return { ...pace, settledWindows: settledWindows + 1 };
    return grow({ ...pace, patienceWindows: 2 * patienceWindows }, bytesPerMs, maxConnections);
  }
  if (before === undefined) return canGrow ? grow(pace, bytesPerMs, maxConnections) : pace;
  const isWorthwhile = bytesPerMs >= before.bytesPerMs * WORTHWHILE_GAIN;
  if (isWorthwhile && canGrow) return grow(pace, bytesPerMs, maxConnections);
  if (isWorthwhile && connections === maxConnections) return settle(pace, connections);
  if (doubts + 1 < MAX_DOUBTS) return { ...pace, doubts: doubts + 1 };
  return settle(pace, isWorthwhile ? connections : before.connections);
};

/** Halves the number of connections for an overloaded server and keeps it there for a while. */
export function slowDown(pace: Pace): Pace {
  return settle(pace, Math.max(1, Math.floor(pace.connections / 2)));
}
