import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import { assertTextFits } from './assert-fits.ts';

/** Throws UNPACK_ENTRY_INVALID for an empty text, one with a NUL and one of more than PATH_MAX: no symlink has them. */
export function assertLinkText(text: ByteString): void {
  if (text.length > 0 && !text.includes('\0')) {
    assertTextFits(text);
    return;
  }
  const shown = showByteString(text);
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a link target of at least one byte and without NUL, got "${shown}"`,
  );
}
