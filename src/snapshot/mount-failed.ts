import { SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

const BUSY_HINT = 'end the container, or find the process that uses it: fuser -vm PATH, or lsof +f -- PATH';

/** Returns `SNAPSHOT_MOUNT_FAILED` for a failed unmount. The kernel log has nothing about a mount that is in use. */
export function unmountFailed(path: string, cause: unknown): SealiftError {
  if (errnoOf(cause) !== 'EBUSY') return mountFailed(`unmount ${path}`, cause);
  return new SealiftError(
    'SNAPSHOT_MOUNT_FAILED',
    `unmount ${path}: expected that nothing uses it, but a process has its working directory, an open file or a mount there (EBUSY)`,
    { cause, context: { errno: 'EBUSY', path }, hint: BUSY_HINT.replaceAll('PATH', path) },
  );
}

/** Returns `SNAPSHOT_MOUNT_FAILED` with the kernel's error for each interface that was tried. */
export function mountFailed(action: string, cause: unknown): SealiftError {
  const reasons = cause instanceof AggregateError ? cause.errors : [cause];
  const text = reasons.map((reason) => (reason instanceof Error ? reason.message : String(reason))).join(', then ');
  const errno = errnoOf(reasons.at(-1));
  return new SealiftError('SNAPSHOT_MOUNT_FAILED', `${action}: ${text}`, {
    cause,
    context: errno === undefined ? {} : { errno },
  });
}
