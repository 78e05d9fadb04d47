import { type ErrorCode, SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['EBUSY', 'VOLUME_DEVICE_BUSY'],
  ['ENOENT', 'VOLUME_DEVICE_MISSING'],
  ['ENXIO', 'VOLUME_DEVICE_MISSING'],
  ['ENODEV', 'VOLUME_DEVICE_MISSING'],
  ['EROFS', 'VOLUME_DEVICE_INVALID'],
  ['EACCES', 'VOLUME_DEVICE_INVALID'],
  ['EPERM', 'VOLUME_DEVICE_INVALID'],
]);

/** Wraps the error of a system call on the disk. An errno that is not in the table counts as a failure of the disk. */
export function deviceFailed(action: string, cause: unknown): SealiftError {
  return withErrno(action, cause, (errno) => CODES.get(errno) ?? 'VOLUME_DEVICE_FAILED');
}

export function mountFailed(action: string, cause: unknown): SealiftError {
  return withErrno(action, cause, () => 'VOLUME_MOUNT_FAILED');
}

export function cleanupFailed(action: string, cause: unknown): SealiftError {
  return withErrno(action, cause, () => 'VOLUME_CLEANUP_FAILED');
}

function withErrno(action: string, cause: unknown, codeOf: (errno: string) => ErrorCode): SealiftError {
  const errno = errnoOf(cause);
  if (errno === undefined) {
    if (cause instanceof SealiftError) return cause;
    return new SealiftError('INTERNAL', `${action}: ${String(cause)}`, { cause });
  }
  return new SealiftError(codeOf(errno), `${action}: expected success, got ${errno}`, { cause, context: { errno } });
}
