import type { Logger } from '../../../src/log/index.ts';

function drop(): void {
  // The test does not look at logs.
}

/** A logger that drops every line. */
export const SILENT_LOGGER: Logger = Object.freeze({
  trace: drop,
  debug: drop,
  info: drop,
  warn: drop,
  error: drop,
  child: () => SILENT_LOGGER,
});
