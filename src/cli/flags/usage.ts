import { resolve } from 'node:path';
import { SealiftError } from '../../errors/index.ts';

/** Refuses the command line. */
export function usage(message: string, hint?: string): never {
  throw new SealiftError('USAGE', message, hint === undefined ? {} : { hint });
}

/** An absolute path, resolved from the directory that the program was started in. Throws `USAGE`. */
export function parsePath(io: { readonly cwd: string }, text: string, flag: string): string {
  return text === '' ? usage(`${flag}: expected a path, got an empty text`) : resolve(io.cwd, text);
}
