import { type ErrorCode, SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['ENOSPC', 'STORE_SPACE_EXHAUSTED'],
  ['EDQUOT', 'STORE_SPACE_EXHAUSTED'],
]);

/** Turns a failed file operation into a coded error: no space, or a disk that returns errors. */
export function storeFailed(action: string, cause: unknown): SealiftError {
  if (cause instanceof SealiftError && errnoOf(cause) === undefined) return cause;
  const errno = errnoOf(cause);
  if (errno === undefined) return new SealiftError('INTERNAL', `${action}: ${String(cause)}`, { cause });
  return new SealiftError(CODES.get(errno) ?? 'STORE_IO_FAILED', `${action}: expected success, got ${errno}`, {
    cause,
    context: { errno },
  });
}
