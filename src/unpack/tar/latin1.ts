import type { ByteString } from '../../bytes/index.ts';

/** The bytes from `start` to `end` as they are, without a view in between: this runs three times for each header. */
export function latin1(bytes: Uint8Array, start: number, end: number): ByteString {
  return Buffer.prototype.latin1Slice.call(bytes, start, end) as ByteString;
}

/** The same for a field of fixed width, which a NUL may end early. */
export function latin1Field(block: Uint8Array, start: number, width: number): ByteString {
  const limit = start + width;
  let end = start;
  while (end < limit && block[end] !== 0) end++;
  return latin1(block, start, end);
}
