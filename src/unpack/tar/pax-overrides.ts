import { type ByteString, fromByteString, showByteString } from '../../bytes/index.ts';
import type { Limits } from '../../limits/index.ts';
import type { Timestamp } from '../types.ts';
import { parseDecimal } from './parse-number.ts';
import { parsePaxTime } from './parse-pax-time.ts';
import { malformed, overLimit } from './refuse.ts';

const XATTR_PREFIX = 'SCHILY.xattr.';

/** What the headers before a member say of it; what is absent is left to its own header block. */
export interface PaxOverrides {
  path?: ByteString;
  linkpath?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: Timestamp;
  xattrs?: Map<ByteString, Uint8Array>;
}

/** Interprets records as Go's archive/tar does: an empty value withdraws the key, unknown keys mean nothing. */
export function readPaxOverrides(records: ReadonlyMap<ByteString, ByteString>, limits: Limits): PaxOverrides {
  const overrides: PaxOverrides = {};
  for (const [key, value] of records) if (value !== '') applyRecord(overrides, key, value, limits);
  return overrides;
}

function applyRecord(overrides: PaxOverrides, key: ByteString, value: ByteString, limits: Limits): void {
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
      // Not kept, but an archive that cannot write a time is refused.
      parsePaxTime(key, value);
      return;
    default:
      if (key.startsWith(XATTR_PREFIX)) applyXattr(overrides, key, value, limits);
  }
}

function applyXattr(overrides: PaxOverrides, key: ByteString, value: ByteString, limits: Limits): void {
  const name = key.slice(XATTR_PREFIX.length) as ByteString;
  const shown = `xattr ${showByteString(name.slice(0, limits.maxNameBytes))}`;
  if (name === '') throw malformed(`pax record ${key}: expected the name of an xattr, got none`);
  if (name.length > limits.maxNameBytes) throw overLimit('maxNameBytes', shown, limits.maxNameBytes, name.length);
  if (value.length > limits.maxXattrBytes) throw overLimit('maxXattrBytes', shown, limits.maxXattrBytes, value.length);
  overrides.xattrs ??= new Map();
  overrides.xattrs.set(name, fromByteString(value));
}
