import { type ByteString, showByteString } from '../../bytes/index.ts';
import { type Limits, limitExceeded } from '../../limits/index.ts';
import type { EntryType, TarEntry } from '../types.ts';
import { verifyLinkLength, verifyNameLimits } from './name-limits.ts';
import type { RawHeader } from './parse-header.ts';
import type { PaxOverrides } from './pax-overrides.ts';
import { malformed, unsupported } from './refuse.ts';
import type { SparseHeader } from './sparse-header.ts';

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();
const EMPTY = '' as ByteString;

/** A member, with the description of a sparse file if it is one. */
export interface ResolvedMember {
  readonly entry: TarEntry;
  readonly sparse: SparseHeader | undefined;
}

/** The largest owner: 2³²−1 means "do not change" to chown(2). */
const MAX_OWNER = 2 ** 32 - 2;
/** mknod(2) accepts 12 bits of major and 20 bits of minor number. */
const MAX_MAJOR = 2 ** 12 - 1;
const MAX_MINOR = 2 ** 20 - 1;
/** The largest octal number that fits into the field. */
const MAX_MODE = 0o77777777;

/** NUL means a file, or a directory when the name ends in a slash: V7 has no type for directories. */
const V7_FILE = 0;

const TYPES: ReadonlyMap<number, EntryType> = new Map([
  [V7_FILE, 'file'],
  [0x30, 'file'],
  [0x31, 'hardlink'],
  [0x32, 'symlink'],
  [0x33, 'char'],
  [0x34, 'block'],
  [0x35, 'directory'],
  [0x36, 'fifo'],
  [0x37, 'file'],
]);

/**
 * Merges a header with the headers before it, and bounds every value. Throws TAR_UNSUPPORTED for types that layers must
 * not have, and TAR_INVALID or the limit's code for values out of range.
 */
export function resolveMember(header: RawHeader, overrides: Readonly<PaxOverrides>, limits: Limits): ResolvedMember {
  const { sparse } = overrides;
  const unsafeName = sparse?.name ?? overrides.path ?? header.name;
  verifyNameLimits('name', unsafeName, limits);
  const type = resolveType(header.flag, unsafeName);
  const size = resolveSize(overrides.size ?? header.size, limits);
  if (sparse !== undefined && type !== 'file') throw malformed(`sparse map: expected a file, got a ${type}`, { type });
  const isDevice = type === 'char' || type === 'block';
  const entry: TarEntry = {
    type,
    unsafeName,
    unsafeLinkname: resolveLinkname(type, overrides.linkpath ?? header.linkname, limits),
    mode: requireRange('mode', header.mode, MAX_MODE) & 0o7777,
    uid: requireRange('uid', overrides.uid ?? header.uid, MAX_OWNER),
    gid: requireRange('gid', overrides.gid ?? header.gid, MAX_OWNER),
    // A type without content has none, whatever its size field says: the next block is a header.
    size: type === 'file' ? size : 0,
    mtime: overrides.mtime ?? { seconds: header.mtime, nanoseconds: 0 },
    devmajor: isDevice ? requireRange('devmajor', header.devmajor, MAX_MAJOR) : 0,
    devminor: isDevice ? requireRange('devminor', header.devminor, MAX_MINOR) : 0,
    xattrs: overrides.xattrs ?? NO_XATTRS,
  };
  return { entry, sparse };
}

function resolveType(flag: number, unsafeName: ByteString): EntryType {
  const type = TYPES.get(flag);
  if (type === undefined) {
    const shown = showByteString(String.fromCharCode(flag));
    throw unsupported(
      `member ${showByteString(unsafeName)}: expected a file, directory, link, device or FIFO, got type '${shown}'`,
      { type: shown },
    );
  }
  // After the name of a file of another type, Go ignores a slash, and GNU tar makes a directory.
  return flag === V7_FILE && unsafeName.endsWith('/') ? 'directory' : type;
}

function resolveLinkname(type: EntryType, unsafeLinkname: ByteString, limits: Limits): ByteString {
  if (type === 'hardlink') verifyNameLimits('link target', unsafeLinkname, limits);
  else if (type === 'symlink') verifyLinkLength(unsafeLinkname, limits);
  else return EMPTY;
  return unsafeLinkname;
}

export function resolveSize(size: number, limits: Limits): number {
  if (size < 0) throw malformed(`size: expected 0 or more, got ${size}`, { field: 'size', actual: size });
  const { maxLayerBytes } = limits;
  if (size > maxLayerBytes)
    throw limitExceeded('size', { limit: 'maxLayerBytes', expected: maxLayerBytes, actual: size });
  return size;
}

function requireRange(field: string, value: number, max: number): number {
  if (value >= 0 && value <= max) return value;
  throw malformed(`${field}: expected 0 to ${max}, got ${value}`, { field, expected: max, actual: value });
}
