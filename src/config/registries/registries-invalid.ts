import { SealiftError } from '../../errors/index.ts';

/** `origin` is the file, `problem` what is wrong where in it. */
export function registriesInvalid(origin: string, problem: string): SealiftError {
  return new SealiftError('REGISTRIES_INVALID', `registries ${origin}: ${problem}`, { context: { origin } });
}
