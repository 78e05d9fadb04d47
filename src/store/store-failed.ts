import { type ErrorCode, SealiftError } from '../errors/index.ts';
import { errnoOf, FULL_STATE_HINT, formatShortage, lackingResource } from '../platform/index.ts';

const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['ENOSPC', 'STORE_SPACE_EXHAUSTED'],
  ['EDQUOT', 'STORE_SPACE_EXHAUSTED'],
]);

/** The file system on which an operation failed: that of the layers, or that of records and locks. */
export interface FailedAt {
  readonly fileSystem: 'data' | 'state';
  readonly directory: string;
}

/**
 * Turns a failed file operation into a coded error: no space, or a disk that returns errors. Its context says which file
 * system failed, and which resource it lacks, because only data that is full is a reason to remove images.
 */
export function storeFailed(action: string, cause: unknown, at: FailedAt): SealiftError {
  if (cause instanceof SealiftError && errnoOf(cause) === undefined) return cause;
  const errno = errnoOf(cause);
  if (errno === undefined) return new SealiftError('INTERNAL', `${action}: ${String(cause)}`, { cause });
  const { fileSystem, directory } = at;
  const shortage = lackingResource(errno, directory);
  const left = shortage && `: the file system of ${directory} has ${formatShortage(shortage)} left`;
  return new SealiftError(
    CODES.get(errno) ?? 'STORE_IO_FAILED',
    `${action}: expected success, got ${errno}${left ?? ''}`,
    {
      cause,
      context: { errno, fileSystem, ...shortage },
      ...(shortage !== undefined && fileSystem === 'state' && { hint: FULL_STATE_HINT }),
    },
  );
}
