import { type ByteString, showByteString } from '../../bytes/index.ts';
import { latin1 } from './latin1.ts';
import { malformed } from './refuse.ts';
import { SparseRecords } from './sparse-header.ts';

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const ZERO = 0x30;
const NINE = 0x39;

/** Keys whose values become names; a NUL inside would end the name for some readers only. */
const NAME_KEYS: ReadonlySet<string> = new Set(['path', 'linkpath', 'uname', 'gname']);

/** The body of a header: `bytes` from `start` to `end`. */
export interface HeaderBody {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Parses `LENGTH KEY=VALUE\n` records; the last record of a repeated key counts.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_03
 * The map of a GNU sparse file in repeated records becomes one record. Throws TAR_INVALID unless lengths fit exactly.
 */
export function parsePaxRecords(body: HeaderBody): ReadonlyMap<ByteString, ByteString> {
  const records = new Map<ByteString, ByteString>();
  const sparse = new SparseRecords();
  const add = (key: ByteString, value: ByteString): void => {
    if (!sparse.take(key, value)) records.set(key, value);
  };
  for (let at = body.start; at < body.end; ) at = readRecord(body, at, add);
  sparse.addTo(records);
  return records;
}

/** Reads the record at `start`; returns where the next one starts. */
function readRecord(
  { bytes, end }: HeaderBody,
  start: number,
  add: (key: ByteString, value: ByteString) => void,
): number {
  const { length, afterSpace } = readLength(bytes, start, end);
  const next = start + length;
  const equals = bytes.indexOf(EQUALS, afterSpace);
  if (next > end || next <= afterSpace || bytes[next - 1] !== NEWLINE || equals < 0 || equals >= next - 1) {
    throw malformed(`pax record: expected '${length} key=value' and a newline within ${end - start} bytes`, { length });
  }
  const key = latin1(bytes, afterSpace, equals);
  const value = latin1(bytes, equals + 1, next - 1);
  checkRecord(key, value);
  add(key, value);
  return next;
}

function readLength(bytes: Uint8Array, start: number, end: number): { length: number; afterSpace: number } {
  let length = 0;
  let at = start;
  for (; at < end && bytes[at] !== SPACE; at++) {
    const byte = bytes[at] ?? 0;
    // Stops early, so that a long run of digits does not become a long loop.
    if (byte < ZERO || byte > NINE || length > end) break;
    length = length * 10 + (byte - ZERO);
  }
  if (at === start || bytes[at] !== SPACE || at >= end) {
    const actual = showByteString(latin1(bytes, start, Math.min(end, start + 16)));
    throw malformed(`pax record: expected a decimal length and a space, got '${actual}'`, { actual });
  }
  return { length, afterSpace: at + 1 };
}

function checkRecord(key: ByteString, value: ByteString): void {
  if (key === '') throw malformed('pax record: expected a key, got none');
  if (key.includes('\0') || (NAME_KEYS.has(key) && value.includes('\0'))) {
    throw malformed(`pax record ${showByteString(key)}: expected no NUL, got one`, { key: showByteString(key) });
  }
}
