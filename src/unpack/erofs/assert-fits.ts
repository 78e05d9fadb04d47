import type { ByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';

/** NAME_MAX, and PATH_MAX without its NUL. The tar reader checks names as written; links can lead to longer paths. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4095;

/** Throws UNPACK_ENTRY_INVALID for a name or path that is too long for a system call. */
export function assertNameFits(parent: ByteString, name: ByteString): void {
  if (name.length > MAX_NAME_BYTES) throw tooLong('a name', MAX_NAME_BYTES, name.length);
  const pathBytes = parent.length + 1 + name.length;
  if (pathBytes > MAX_PATH_BYTES) throw tooLong('a path', MAX_PATH_BYTES, pathBytes);
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
