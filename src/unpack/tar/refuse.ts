import { type ErrorContext, SealiftError } from '../../errors/index.ts';
import { LIMITS, type LimitName } from '../../limits/index.ts';

export function malformed(message: string, context: ErrorContext = {}): SealiftError {
  return new SealiftError('TAR_INVALID', message, { context });
}

export function unsupported(message: string, context: ErrorContext = {}): SealiftError {
  return new SealiftError('TAR_UNSUPPORTED', message, { context });
}

/** The refusal that the limits table names for `limit`. */
export function overLimit(limit: LimitName, what: string, allowed: number, actual: number): SealiftError {
  return new SealiftError(LIMITS[limit].code, `${what}: expected at most ${allowed}, got ${actual}`, {
    context: { limit, expected: allowed, actual },
  });
}
