import { SealiftError } from '../../errors/index.ts';

/** Returns the error for a source file. `problem` says what is wrong, and where in the file. */
export function registriesDInvalid(origin: string, problem: string): SealiftError {
  return new SealiftError('REGISTRIES_D_INVALID', `registries.d ${origin}: ${problem}`, { context: { origin } });
}
