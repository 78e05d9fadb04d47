import { asSealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';

/** Logs an error with its code and hint; `message` says what failed. */
export function logFailure(log: Logger, message: string, error: unknown): void {
  const { code, kind, message: text, hint } = asSealiftError(error);
  log.error({ code, kind, error: text, hint }, message);
}
