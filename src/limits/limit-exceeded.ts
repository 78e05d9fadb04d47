import { SealiftError } from '../errors/index.ts';
import { LIMITS, type RefusingLimit } from './limits.ts';

/** How large a document that is held in memory whole may be, and which limit says so. */
export interface SizeBound {
  readonly maxBytes: number;
  readonly limit: RefusingLimit;
  /** What the document is, for messages: `image config`. */
  readonly what: string;
}

export interface Excess {
  readonly limit: RefusingLimit;
  readonly expected: number;
  /** `more` when counting stopped at the limit. */
  readonly actual: number | 'more';
}

/**
 * Returns the error with the code from the table of limits. Its context names the limit, so that a user can raise it.
 */
export function limitExceeded(subject: string, { limit, expected, actual }: Excess): SealiftError {
  return new SealiftError(LIMITS[limit].code, `${subject}: expected at most ${expected}, got ${actual}`, {
    context: { limit, expected, actual },
  });
}
