import { SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

/** What the system refused, as a failure to read; our own refusals as they are. */
export function archiveFailed(action: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  return new SealiftError('ARCHIVE_READ_FAILED', `${action}: expected to read it, got ${errno}`, {
    context: { errno },
    cause: error,
  });
}
