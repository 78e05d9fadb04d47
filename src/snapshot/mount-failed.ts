import { SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

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
