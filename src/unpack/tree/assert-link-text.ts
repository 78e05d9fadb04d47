import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';

/** Throws UNPACK_ENTRY_INVALID for an empty text and for one with a NUL, which no symlink can have. */
export function assertLinkText(text: ByteString): void {
  if (text.length > 0 && !text.includes('\0')) return;
  const shown = showByteString(text);
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a link target of at least one byte and without NUL, got "${shown}"`,
  );
}
