import type { ByteString } from '../../bytes/index.ts';

/** Returns the bytes from `start` to `end`. It creates no view, because it runs three times for each header. */
export function latin1(bytes: Uint8Array, start: number, end: number): ByteString {
  return Buffer.prototype.latin1Slice.call(bytes, start, end) as ByteString;
}

/** Returns the bytes of a field of fixed width up to its first NUL. */
export function latin1Field(block: Uint8Array, start: number, width: number): ByteString {
  const limit = start + width;
  let end = start;
  while (end < limit && block[end] !== 0) end++;
  return latin1(block, start, end);
}
