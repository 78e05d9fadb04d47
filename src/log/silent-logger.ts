import type { Logger } from './types.ts';

function drop(): void {
  // Nobody asked for logs.
}

export const SILENT_LOGGER: Logger = Object.freeze({
  trace: drop,
  debug: drop,
  info: drop,
  warn: drop,
  error: drop,
  child: () => SILENT_LOGGER,
});
