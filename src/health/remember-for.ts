export interface Memory<Value> {
  /** Makes a value; undefined is not remembered. */
  readonly make: () => Promise<Value | undefined>;
  readonly maxAgeMs: number;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

/**
 * Returns a function that makes a value, or returns the last one while it is younger than `maxAgeMs` and was made for
 * the same `mark`. Callers that ask while a value is being made share it.
 */
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
