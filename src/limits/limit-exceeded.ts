import { SealiftError } from '../errors/index.ts';
import { LIMITS, type RefusingLimit } from './limits.ts';

export interface Excess {
  readonly limit: RefusingLimit;
  readonly expected: number;
  /** `more` where nobody has counted further. */
  readonly actual: number | 'more';
}

/** The refusal that the table of limits names; its context names the limit, for whoever wants to raise it. */
export function limitExceeded(subject: string, { limit, expected, actual }: Excess): SealiftError {
  return new SealiftError(LIMITS[limit].code, `${subject}: expected at most ${expected}, got ${actual}`, {
    context: { limit, expected, actual },
  });
}
