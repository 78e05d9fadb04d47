import { statfsSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { errnoOf, lackingResource } from '../../platform/index.ts';

/** Errnos of a file system that is full or broken. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EFBIG']);
/** Errnos for an entry that no Linux file system can hold. */
const IMPOSSIBLE = new Set(['ENAMETOOLONG', 'EINVAL', 'ERANGE', 'E2BIG', 'EEXIST', 'ELOOP', 'EMLINK', 'EOVERFLOW']);

/** Turns a failed system call into the error whose code says whether the disk, the entry or Sealift is at fault. */
export function describeWriteFailure(error: unknown, root: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || !(error instanceof Error)) return error;
  if (FULL.has(errno)) return fullError(error, errno, root);
  const call = 'syscall' in error ? String(error.syscall) : callOf(error);
  if (IMPOSSIBLE.has(errno)) {
    return new SealiftError(
      'UNPACK_ENTRY_INVALID',
      `${call}: expected an entry that the kernel can make, got ${errno}`,
      {
        context: { call, errno },
        cause: error,
      },
    );
  }
  if (error instanceof SealiftError) return error;
  return new SealiftError('PLATFORM_CALL_FAILED', `${call}: expected success, got ${errno}`, {
    context: { call, errno },
    cause: error,
  });
}

function callOf(error: Error): string {
  const call = error instanceof SealiftError ? error.context['call'] : undefined;
  return typeof call === 'string' ? call : 'write';
}

function fullError(cause: Error, errno: string, root: string): SealiftError {
  const { bavail, bsize, ffree } = statfsSync(root);
  const availableBytes = bavail * bsize;
  const shortage = lackingResource(errno, root);
  return new SealiftError(
    'UNPACK_WRITE_FAILED',
    `write below ${root}: expected success, got ${errno} with ${availableBytes} bytes and ${ffree} inodes free`,
    { context: { errno, ...(shortage && { resource: shortage.resource }), availableBytes, freeInodes: ffree }, cause },
  );
}
