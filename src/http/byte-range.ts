import { SealiftError } from '../errors/index.ts';
import type { ByteRange } from './types.ts';

/** Throws `INTERNAL` for a range that is not inside a blob of `size` bytes. */
export function assertInside({ first, last }: ByteRange, size: number): void {
  if (Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 0 && first <= last && last < size) return;
  throw new SealiftError('INTERNAL', `range of a blob: expected a part of ${size} bytes, got ${first}-${last}`);
}
