import type { Timestamp } from '../types.ts';
import { LOWEST_TIME, parseDecimal } from './parse-number.ts';
import { malformed } from './refuse.ts';

const NANOSECOND_DIGITS = 9;
const LOWEST_TEXT = String(BigInt(LOWEST_TIME));

/** Parses a signed decimal number of seconds; digits beyond the nanosecond are ignored. `-0.75` is −1 s + 0.25 s. */
export function parsePaxTime(key: string, text: string): Timestamp {
  const point = text.indexOf('.');
  const whole = point < 0 ? text : text.slice(0, point);
  const fraction = point < 0 ? '' : text.slice(point + 1);
  if (!/^[0-9]*$/.test(fraction))
    throw malformed(`pax record ${key}: expected digits after the point, got other characters`, { key });
  const nanoseconds = Number(fraction.slice(0, NANOSECOND_DIGITS).padEnd(NANOSECOND_DIGITS, '0'));
  const isLowest = nanoseconds === 0 && whole === LOWEST_TEXT;
  const seconds = isLowest ? LOWEST_TIME : parseDecimal(key, whole);
  if (nanoseconds === 0 || !whole.startsWith('-')) return { seconds, nanoseconds };
  return { seconds: seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}
