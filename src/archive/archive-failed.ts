import { SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

/** Returns `ARCHIVE_READ_FAILED` for the error of a system call, and any other error as it is. */
export function archiveFailed(action: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  return new SealiftError('ARCHIVE_READ_FAILED', `${action}: expected success, got ${errno}`, {
    context: { errno },
    cause: error,
  });
}
