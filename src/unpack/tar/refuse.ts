import { type ErrorContext, SealiftError } from '../../errors/index.ts';
import { limitExceeded, type RefusingLimit } from '../../limits/index.ts';

export function malformed(message: string, context: ErrorContext = {}): SealiftError {
  return new SealiftError('TAR_INVALID', message, { context });
}

export function unsupported(message: string, context: ErrorContext = {}): SealiftError {
  return new SealiftError('TAR_UNSUPPORTED', message, { context });
}

/** The refusal that the limits table names for `limit`. */
export function overLimit(limit: RefusingLimit, what: string, allowed: number, actual: number): SealiftError {
  return limitExceeded(what, { limit, expected: allowed, actual });
}
