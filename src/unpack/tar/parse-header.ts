import type { ByteString } from '../../bytes/index.ts';
import { latin1, latin1Field } from './latin1.ts';
import { parseNumericField, parseOctalField, requireNumber } from './parse-number.ts';
import { malformed } from './refuse.ts';

export const BLOCK_BYTES = 512;

const CHECKSUM_START = 148;
const CHECKSUM_END = 156;
const SPACE = 0x20;

/** What a header block says by itself, before PAX and GNU overrides; numbers are exact but not bounded yet. */
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
 * Reads one header block of V7, ustar, GNU or star form. Every field of the form is read, used or not: an archive is
 * refused for a malformed one (TAR_INVALID), as Go's archive/tar does.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */
export function parseHeader(block: Uint8Array, start: number): RawHeader {
  verifyChecksum(block, start);
  const form = detectForm(block, start);
  const numbers = {
    size: requireSize(block, start),
    mode: requireNumber('mode', block, start + 100, 8),
    uid: requireNumber('uid', block, start + 108, 8),
    gid: requireNumber('gid', block, start + 116, 8),
    mtime: requireNumber('mtime', block, start + 136, 12),
    devmajor: form === 'v7' ? 0 : requireNumber('devmajor', block, start + 329, 8),
    devminor: form === 'v7' ? 0 : requireNumber('devminor', block, start + 337, 8),
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

/** Negative even where an extended header gives the size that counts: Go looks at this one first. */
function requireSize(block: Uint8Array, start: number): number {
  const size = requireNumber('size', block, start + 124, 12);
  if (size < 0) throw malformed(`size: expected 0 or more, got ${size}`, { field: 'size', actual: size });
  return size;
}

type Form = 'v7' | 'ustar' | 'gnu' | 'star';

function detectForm(block: Uint8Array, start: number): Form {
  const magic = latin1(block, start + 257, start + 265);
  if (magic.startsWith('ustar\0')) return latin1(block, start + 508, start + 512) === 'tar\0' ? 'star' : 'ustar';
  return magic === 'ustar  \0' ? 'gnu' : 'v7';
}

/** Sun's tar summed signed bytes; the field itself counts as spaces. */
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
      requireNumber('atime', block, start + 476, 12);
      requireNumber('ctime', block, start + 488, 12);
      return latin1Field(block, start + 345, 131);
    case 'gnu':
      return readMisplacedPrefix(block, start);
  }
}

/**
 * GNU headers have access and change time where ustar has the prefix. Writers built with Go before 1.8 put a prefix
 * there all the same, and images of that time exist: what is no time and is ASCII is the prefix, as Go reads it.
 * https://go.dev/issue/12594
 */
function readMisplacedPrefix(block: Uint8Array, start: number): string {
  if (isTimeOrAbsent(block, start + 345) && isTimeOrAbsent(block, start + 357)) return '';
  const prefix = latin1Field(block, start + 345, 155);
  return /^[\x01-\x7f]*$/.test(prefix) ? prefix : '';
}

function isTimeOrAbsent(block: Uint8Array, start: number): boolean {
  return block[start] === 0 || !Number.isNaN(parseNumericField(block, start, 12));
}
