/** How many connections one blob has, and what was learned on the way there. */
export interface Pace {
  readonly connections: number;
  /** What it was like before the last connections were added; whether they are worth it is not decided yet. */
  readonly before?: { readonly connections: number; readonly bytesPerMs: number };
  /** Windows since then that spoke against more. */
  readonly doubts?: number;
  /** Windows since the number was found; undefined while it may still grow. */
  readonly settledWindows?: number;
  /** After so many windows a number that was found is questioned once more; longer each time. */
  readonly patienceWindows: number;
}

/** What one window of time has shown. */
export interface PaceSample {
  readonly bytesPerMs: number;
  /** Part of the window that the thread slept, waiting for bytes; what the writer takes is no part of it. */
  readonly idleShare: number;
}

/** The number of connections to go on with after a window. */
export type PaceRule = (pace: Pace, sample: PaceSample, maxConnections: number) => Pace;

/** A wire that others shared may be free again; at the default of 150 ms this is after three seconds, six, twelve. */
const FIRST_PATIENCE_WINDOWS = 20;
/** Below it the thread itself is what takes the time: twice the wire would bring less than two thirds more. */
export const WIRE_BOUND_SHARE = 0.4;
/** Twice the connections have to bring so many times the bytes. */
const WORTHWHILE_GAIN = 1.2;
/** One window may have been a bad one. */
const MAX_DOUBTS = 2;

export const FIRST_PACE: Pace = { connections: 1, patienceWindows: FIRST_PATIENCE_WINDOWS };

function settle({ patienceWindows }: Pace, connections: number): Pace {
  return { connections, settledWindows: 0, patienceWindows };
}

function grow({ connections, patienceWindows }: Pace, bytesPerMs: number, maxConnections: number): Pace {
  const more = Math.min(maxConnections, connections * 2);
  return { connections: more, before: { connections, bytesPerMs }, doubts: 0, patienceWindows };
}

/** Doubles the connections while that raises throughput, then goes back one step and stays; now and then it looks again. */
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

/** A server that is asked too much: half of the connections, and no more for a while. */
export function slowDown(pace: Pace): Pace {
  return settle(pace, Math.max(1, Math.floor(pace.connections / 2)));
}
