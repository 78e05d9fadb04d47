import { type ByteString, fromByteString, showByteString } from '../../bytes/index.ts';
import { type Limits, limitExceeded } from '../../limits/index.ts';
import type { Timestamp } from '../types.ts';
import { parseDecimal } from './parse-number.ts';
import { parsePaxTime } from './parse-pax-time.ts';
import { malformed } from './refuse.ts';
import { readSparseHeader, type SparseHeader } from './sparse-header.ts';

const XATTR_PREFIX = 'SCHILY.xattr.';

/** What the headers before a member state about it; for absent fields its own header block counts. */
export interface PaxOverrides {
  path?: ByteString;
  linkpath?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: Timestamp;
  xattrs?: Map<ByteString, Uint8Array>;
  sparse?: SparseHeader;
}

/** Interprets records as Go's archive/tar does: an empty value removes the key, unknown keys are ignored. */
export function readPaxOverrides(records: ReadonlyMap<ByteString, ByteString>, limits: Limits): PaxOverrides {
  const overrides: PaxOverrides = {};
  for (const record of records) applyRecord(overrides, record, limits);
  const sparse = readSparseHeader(records);
  if (sparse !== undefined) overrides.sparse = sparse;
  return overrides;
}

type PaxRecord = readonly [key: ByteString, value: ByteString];

function applyRecord(overrides: PaxOverrides, record: PaxRecord, limits: Limits): void {
  const [key, value] = record;
  if (value === '') return;
  switch (key as string) {
    case 'path':
      overrides.path = value;
      return;
    case 'linkpath':
      overrides.linkpath = value;
      return;
    case 'size':
      overrides.size = parseDecimal(key, value);
      return;
    case 'uid':
      overrides.uid = parseDecimal(key, value);
      return;
    case 'gid':
      overrides.gid = parseDecimal(key, value);
      return;
    case 'mtime':
      overrides.mtime = parsePaxTime(key, value);
      return;
    case 'atime':
    case 'ctime':
      // Not kept; an archive with a malformed time is still refused.
      parsePaxTime(key, value);
      return;
    default:
      if (key.startsWith(XATTR_PREFIX)) applyXattr(overrides, record, limits);
  }
}

function applyXattr(overrides: PaxOverrides, [key, value]: PaxRecord, limits: Limits): void {
  const { maxNameBytes, maxXattrBytes } = limits;
  const name = key.slice(XATTR_PREFIX.length) as ByteString;
  const shown = `xattr ${showByteString(name.slice(0, maxNameBytes))}`;
  if (name === '') throw malformed(`pax record ${key}: expected the name of an xattr, got none`);
  if (name.length > maxNameBytes) {
    throw limitExceeded(shown, { limit: 'maxNameBytes', expected: maxNameBytes, actual: name.length });
  }
  if (value.length > maxXattrBytes) {
    throw limitExceeded(shown, { limit: 'maxXattrBytes', expected: maxXattrBytes, actual: value.length });
  }
  overrides.xattrs ??= new Map();
  overrides.xattrs.set(name, fromByteString(value));
}
