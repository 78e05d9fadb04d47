import type { ByteString } from '../../bytes/index.ts';
import { latin1, latin1Field } from './latin1.ts';
import { LOWEST_TIME, type NumericField, parseNumericField, parseOctalField, requireNumber } from './parse-number.ts';
import { malformed } from './refuse.ts';

export const BLOCK_BYTES = 512;

const CHECKSUM_START = 148;
const CHECKSUM_END = 156;
const SPACE = 0x20;
/** −2⁶³ in base-256. */
const LOWEST_TIME_FIELD = '\xff\xff\xff\xff\x80\0\0\0\0\0\0\0';

/** Numeric fields by their offsets in the block. */
const FIELDS = {
  mode: { name: 'mode', offset: 100, width: 8 },
  uid: { name: 'uid', offset: 108, width: 8 },
  gid: { name: 'gid', offset: 116, width: 8 },
  size: { name: 'size', offset: 124, width: 12 },
  mtime: { name: 'mtime', offset: 136, width: 12 },
  devmajor: { name: 'devmajor', offset: 329, width: 8 },
  devminor: { name: 'devminor', offset: 337, width: 8 },
  starAtime: { name: 'atime', offset: 476, width: 12 },
  starCtime: { name: 'ctime', offset: 488, width: 12 },
  gnuAtime: { name: 'atime', offset: 345, width: 12 },
  gnuCtime: { name: 'ctime', offset: 357, width: 12 },
} as const satisfies Readonly<Record<string, NumericField>>;

/** The fields of a header block, before PAX and GNU overrides. Numbers are exact but not bounded yet. */
export interface RawHeader {
  /** The type flag as a byte value. */
  readonly flag: number;
  readonly name: ByteString;
  readonly linkname: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly devmajor: number;
  readonly devminor: number;
}

export function isZeroBlock(block: Uint8Array, start: number): boolean {
  const end = start + BLOCK_BYTES;
  for (let at = start; at < end; at++) if (block[at] !== 0) return false;
  return true;
}

/**
 * Reads one header block in V7, ustar, GNU or star form. Every field of the form is read, even if it is not used: a
 * malformed one makes the archive invalid (TAR_INVALID), as in Go's archive/tar.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */
export function parseHeader(block: Uint8Array, start: number): RawHeader {
  verifyChecksum(block, start);
  const form = detectForm(block, start);
  const numbers = {
    size: requireSize(block, start),
    mode: requireNumber(FIELDS.mode, block, start),
    uid: requireNumber(FIELDS.uid, block, start),
    gid: requireNumber(FIELDS.gid, block, start),
    mtime: requireTime(block, start),
    devmajor: form === 'v7' ? 0 : requireNumber(FIELDS.devmajor, block, start),
    devminor: form === 'v7' ? 0 : requireNumber(FIELDS.devminor, block, start),
  };
  const prefix = readPrefix(form, block, start);
  const name = latin1Field(block, start, 100);
  return {
    flag: block[start + 156] ?? 0,
    name: prefix === '' ? name : (`${prefix}/${name}` as ByteString),
    linkname: latin1Field(block, start + 157, 100),
    ...numbers,
  };
}

/** Reads the size. A negative one is refused even when an extended header overrides it, as in Go. */
function requireSize(block: Uint8Array, start: number): number {
  const size = requireNumber(FIELDS.size, block, start);
  if (size < 0) throw malformed(`size: expected 0 or more, got ${size}`, { field: 'size', actual: size });
  return size;
}

/** Reads the time. The lowest number of 64 bits is the only one beyond 2⁵³ that writers use: for a time that is not set. */
function requireTime(block: Uint8Array, start: number): number {
  const { offset, width } = FIELDS.mtime;
  const lowest = latin1(block, start + offset, start + offset + width) === LOWEST_TIME_FIELD;
  return lowest ? LOWEST_TIME : requireNumber(FIELDS.mtime, block, start);
}

type Form = 'v7' | 'ustar' | 'gnu' | 'star';

function detectForm(block: Uint8Array, start: number): Form {
  const magic = latin1(block, start + 257, start + 265);
  if (magic.startsWith('ustar\0')) return latin1(block, start + 508, start + 512) === 'tar\0' ? 'star' : 'ustar';
  return magic === 'ustar  \0' ? 'gnu' : 'v7';
}

/**
 * Verifies the checksum, in which the field itself counts as spaces. Sun's tar summed signed bytes, so both are valid.
 */
function verifyChecksum(block: Uint8Array, start: number): void {
  const expected = parseOctalField(block, start + CHECKSUM_START, 8);
  const end = start + BLOCK_BYTES;
  let unsigned = SPACE * (CHECKSUM_END - CHECKSUM_START);
  for (let at = start; at < end; at++) unsigned += block[at] ?? 0;
  for (let at = start + CHECKSUM_START; at < start + CHECKSUM_END; at++) unsigned -= block[at] ?? 0;
  if (unsigned === expected || signedSum(block, start, unsigned) === expected) return;
  const shown = Number.isNaN(expected) ? 'no octal number' : `0${expected.toString(8)}`;
  throw malformed(`checksum: expected 0${unsigned.toString(8)}, got ${shown}`, { expected: unsigned });
}

function signedSum(block: Uint8Array, start: number, unsigned: number): number {
  let sum = unsigned;
  for (let index = 0; index < BLOCK_BYTES; index++) {
    const isChecksum = index >= CHECKSUM_START && index < CHECKSUM_END;
    if (!isChecksum && (block[start + index] ?? 0) >= 0x80) sum -= 256;
  }
  return sum;
}

function readPrefix(form: Form, block: Uint8Array, start: number): string {
  switch (form) {
    case 'v7':
      return '';
    case 'ustar':
      return latin1Field(block, start + 345, 155);
    case 'star':
      requireNumber(FIELDS.starAtime, block, start);
      requireNumber(FIELDS.starCtime, block, start);
      return latin1Field(block, start + 345, 131);
    case 'gnu':
      return readMisplacedPrefix(block, start);
  }
}

/**
 * GNU headers have access and change time where ustar has the prefix. Writers built with Go before 1.8 put a prefix
 * there nevertheless, and images of that time exist: ASCII text that is not a time is read as a prefix, as in Go.
 * https://go.dev/issue/12594
 */
function readMisplacedPrefix(block: Uint8Array, start: number): string {
  if (isTimeOrAbsent(FIELDS.gnuAtime, block, start) && isTimeOrAbsent(FIELDS.gnuCtime, block, start)) return '';
  const prefix = latin1Field(block, start + 345, 155);
  return /^[\x01-\x7f]*$/.test(prefix) ? prefix : '';
}

function isTimeOrAbsent({ offset, width }: NumericField, block: Uint8Array, start: number): boolean {
  return block[start + offset] === 0 || !Number.isNaN(parseNumericField(block, start + offset, width));
}
