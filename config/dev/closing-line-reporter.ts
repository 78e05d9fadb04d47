import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

/** Ends the output with why tests were skipped and one plain line for people and machines: `N passed, N failed, N skipped`. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (...states: readonly string[]) => tests.filter((test) => states.includes(test.result().state)).length;
    // A file that could not be loaded has no tests and is a failure all the same.
    const unloaded = modules.reduce((sum, module) => sum + module.errors().length, unhandledErrors.length);
    const lines = [
      ...skipReasons(tests).map(([reason, times]) => `${times} skipped: ${reason}`),
      `${count('passed')} passed, ${count('failed', 'pending') + unloaded} failed, ${count('skipped')} skipped`,
    ];
    // The summary of the default reporter comes first, in the same round of callbacks.
    process.once('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
  }
}

/** Suites that cannot run carry the reason in their title, in parentheses. */
function skipReasons(tests: readonly TestCase[]): [reason: string, times: number][] {
  const reasons = new Map<string, number>();
  for (const test of tests) {
    const reason = /\((?:skipped: )?(needs [^)]+)\)/.exec(test.fullName)?.[1];
    if (test.result().state === 'skipped' && reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return [...reasons];
}
