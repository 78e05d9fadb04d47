import { type ByteString, fromByteString } from '../../bytes/index.ts';
import type { SystemPath } from '../../platform/index.ts';

/** For the kernel: text where that is the same bytes, which is quicker, else the bytes. */
export function toSystemPath(path: ByteString): SystemPath {
  return isAscii(path) ? path : fromByteString(path);
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}
