import type { ByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';

/** NAME_MAX, and PATH_MAX without its NUL. The tar reader checks names as written; links can lead to longer paths. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4095;

/** True for a path from the root of the layer that a container can use in a system call. */
export function pathFits(path: ByteString): boolean {
  return path.length <= MAX_PATH_BYTES && path.length - path.lastIndexOf('/') - 1 <= MAX_NAME_BYTES;
}

/** Throws UNPACK_ENTRY_INVALID for a path for which `pathFits` is false. */
export function assertPathFits(path: ByteString): void {
  if (pathFits(path)) return;
  const nameBytes = path.length - path.lastIndexOf('/') - 1;
  if (nameBytes > MAX_NAME_BYTES) throw tooLong('a name', MAX_NAME_BYTES, nameBytes);
  throw tooLong('a path', MAX_PATH_BYTES, path.length);
}

/** Throws UNPACK_ENTRY_INVALID for a link target that is too long for symlink(2). */
export function assertTextFits(text: ByteString): void {
  if (text.length > MAX_PATH_BYTES) throw tooLong('a link target', MAX_PATH_BYTES, text.length);
}

function tooLong(what: string, limit: number, actual: number): SealiftError {
  return new SealiftError('UNPACK_ENTRY_INVALID', `expected ${what} of at most ${limit} bytes, got ${actual}`, {
    context: { limit, actual },
  });
}
