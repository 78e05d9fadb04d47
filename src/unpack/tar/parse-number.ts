import { showByteString } from '../../bytes/index.ts';
import { latin1 } from './latin1.ts';
import { malformed } from './refuse.ts';

const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;

/** The lowest number of 64 bits, which a double holds exactly. */
export const LOWEST_TIME = -(2 ** 63);

/** A numeric field of a header block. */
export interface NumericField {
  readonly name: string;
  readonly offset: number;
  readonly width: number;
}

/**
 * Parses a number of a header: octal between spaces and NULs, or base-256 when the first bit is set (two's complement,
 * which GNU tar introduced: https://www.gnu.org/software/tar/manual/html_node/Extensions.html). NaN when it is neither
 * or exceeds 64 bits; beyond 2⁵³ the result is the nearest double, which callers must bound.
 */
export function parseNumericField(block: Uint8Array, start: number, width: number): number {
  return (block[start] ?? 0) & 0x80 ? parseBase256(block, start, width) : parseOctalField(block, start, width);
}

/** Parses octal digits, which the first NUL ends, as for strings. An empty field is 0; anything but digits is NaN. */
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

/**
 * Parses a field of the header block at `start`, as {@link parseNumericField} does. Throws TAR_INVALID with the name of
 * the field for anything but an exact integer.
 */
export function requireNumber({ name: field, offset, width }: NumericField, block: Uint8Array, start: number): number {
  const value = parseNumericField(block, start + offset, width);
  if (Number.isSafeInteger(value)) return value;
  const actual = showByteString(latin1(block, start + offset, start + offset + width));
  throw malformed(`${field}: expected an octal or base-256 number below 2^53, got '${actual}'`, { field, actual });
}

/** Parses a decimal integer of a PAX record, with a sign as Go's ParseInt allows. */
export function parseDecimal(key: string, text: string): number {
  const value = /^[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  // The addition turns −0 into 0.
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
    // All bits above the low 63 must equal the sign.
    if (index < width - 8 && digit !== 0) return Number.NaN;
    if (index === width - 8 && digit > 0x7f) return Number.NaN;
    value = value * 256 + digit;
  }
  return inversion === 0 ? value : -value - 1;
}
