/**
 * What happens at once takes less than this on any machine, however busy. What waits for one of the product's time limits
 * takes longer: they are 30 seconds or more where a test does not shorten them.
 */
export const AT_ONCE_MS = 25_000;

/** Looks at a condition in every turn of the event loop. Ends with the test's own time limit at the latest. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}
