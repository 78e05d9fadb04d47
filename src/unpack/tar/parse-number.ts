import { showByteString } from '../../bytes/index.ts';
import { latin1 } from './latin1.ts';
import { malformed } from './refuse.ts';

const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;

/**
 * A number of a header: octal between spaces and NULs, or base-256 when the first bit is set (two's complement, which
 * GNU tar introduced: https://www.gnu.org/software/tar/manual/html_node/Extensions.html). NaN when it is neither or
 * leaves 64 bits; beyond 2⁵³ the result is the nearest double, which callers bound.
 */
export function parseNumericField(block: Uint8Array, start: number, width: number): number {
  return (block[start] ?? 0) & 0x80 ? parseBase256(block, start, width) : parseOctalField(block, start, width);
}

/** A NUL inside ends the digits, as for strings. An empty field is 0. NaN when there is anything but digits. */
export function parseOctalField(block: Uint8Array, start: number, width: number): number {
  let at = start;
  let end = start + width;
  while (at < end && isFiller(block[at])) at++;
  while (end > at && isFiller(block[end - 1])) end--;
  let value = 0;
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte === 0) break;
    if (byte < ZERO || byte > SEVEN) return Number.NaN;
    value = value * 8 + (byte - ZERO);
  }
  return value;
}

/** Like {@link parseNumericField}, with a refusal that names the field for what is not an exact integer. */
export function requireNumber(field: string, block: Uint8Array, start: number, width: number): number {
  const value = parseNumericField(block, start, width);
  if (Number.isSafeInteger(value)) return value;
  const actual = showByteString(latin1(block, start, start + width));
  throw malformed(`${field}: expected an octal or base-256 number below 2^53, got '${actual}'`, { field, actual });
}

/** A decimal integer of a PAX record, signed as Go's ParseInt allows. */
export function parseDecimal(key: string, text: string): number {
  const value = /^[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  // The sum makes 0 of −0.
  if (Number.isSafeInteger(value)) return value + 0;
  const actual = showByteString(text.slice(0, 40));
  throw malformed(`pax record ${key}: expected a decimal integer below 2^53, got '${actual}'`, { key, actual });
}

function isFiller(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0;
}

function parseBase256(block: Uint8Array, start: number, width: number): number {
  const inversion = (block[start] ?? 0) & 0x40 ? 0xff : 0;
  let value = 0;
  for (let index = 0; index < width; index++) {
    const byte = (block[start + index] ?? 0) ^ inversion;
    const digit = index === 0 ? byte & 0x7f : byte;
    // Everything above the low 63 bits has to be sign.
    if (index < width - 8 && digit !== 0) return Number.NaN;
    if (index === width - 8 && digit > 0x7f) return Number.NaN;
    value = value * 256 + digit;
  }
  return inversion === 0 ? value : -value - 1;
}
