export interface Memory<Value> {
  /** Undefined is not remembered. */
  readonly make: () => Promise<Value | undefined>;
  readonly maxAgeMs: number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

/** The last value for so long, and for the same `mark`; who asks while one is being made waits for that one. */
export function rememberFor<Value>(memory: Memory<Value>): (mark: string) => Promise<Value | undefined> {
  const { make, maxAgeMs, nowMs } = memory;
  let known: { readonly value: Promise<Value | undefined>; readonly mark: string; readonly madeMs: number } | undefined;
  return async (mark) => {
    const isFresh = known !== undefined && known.mark === mark && nowMs() - known.madeMs < maxAgeMs;
    if (known === undefined || !isFresh) known = { value: make(), mark, madeMs: nowMs() };
    const asked = known;
    const value = await asked.value;
    if (value === undefined && known === asked) known = undefined;
    return value;
  };
}
