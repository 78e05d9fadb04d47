import { type ByteString, fromByteString } from '../../bytes/index.ts';
import type { SystemPath } from '../../platform/index.ts';

/** Returns a path for system calls: text where that has the same bytes, which is faster, otherwise the bytes. */
export function toSystemPath(path: ByteString): SystemPath {
  return isAscii(path) ? path : fromByteString(path);
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}
