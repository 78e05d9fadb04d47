import { SealiftError } from '../errors/index.ts';

/** Returns the errno of a failed call of this room or of node:fs, e.g. `EEXIST`; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof SealiftError) {
    const errno = error.context['errno'];
    return typeof errno === 'string' ? errno : undefined;
  }
  if (error instanceof Error && 'code' in error && 'errno' in error && typeof error.code === 'string')
    return error.code;
  return undefined;
}
