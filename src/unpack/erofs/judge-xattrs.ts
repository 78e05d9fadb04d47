import { type ByteString, showByteString } from '../../bytes/index.ts';
import { prefixError, SealiftError } from '../../errors/index.ts';
import { refuseXattr, type Tally } from '../tree/index.ts';
import type { EntryType } from '../types.ts';
import { encodeAcl, fitToMode, isModeOnly, parseAcl } from './layout-acl.ts';
import { indexXattrName } from './layout-xattrs.ts';

const CAPABILITY = 'security.capability';
const ACCESS_ACL = 'system.posix_acl_access';
const DEFAULT_ACL = 'system.posix_acl_default';
/** XATTR_NAME_MAX and XATTR_SIZE_MAX. */
const MAX_NAME_BYTES = 255;
const MAX_VALUE_BYTES = 65_536;

/** The size of the value by its revision: include/uapi/linux/capability.h. */
const CAPABILITY_BYTES: ReadonlyMap<number, number> = new Map([
  [2, 20],
  [3, 24],
]);
const CAPABILITY_EFFECTIVE = 1;
const ROOT_ID_OFFSET = 20;

interface Owner {
  readonly type: Exclude<EntryType, 'hardlink'>;
  readonly mode: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

/**
 * Returns the attributes that an object would have if a kernel set them one by one on a file system that can hold them
 * all, and then set the mode. What the kernel refuses is refused with the code of the directory writer, what it omits
 * or changes is omitted or changed. This is done here because no kernel is asked, and reading trusts the image.
 */
export function judgeXattrs(owner: Owner, tally: Tally): ReadonlyMap<ByteString, Uint8Array> {
  if (owner.xattrs.size === 0) return owner.xattrs;
  const kept = new Map<ByteString, Uint8Array>();
  for (const [name, rawValue] of owner.xattrs) {
    const reason = refuseXattr(owner.type, name, true);
    if (reason !== undefined) {
      tally.add(reason);
      continue;
    }
    const value = judgeNamed(owner, name, rawValue);
    if (value === 'unsupported') tally.add('xattr-unsupported');
    else if (value !== undefined) kept.set(name, value);
  }
  return kept;
}

/** The value to keep; `undefined`: the kernel keeps none; `unsupported`: EROFS cannot hold the attribute. */
type JudgedValue = Uint8Array | 'unsupported' | undefined;

function judgeNamed(owner: Owner, name: ByteString, rawValue: Uint8Array): JudgedValue {
  try {
    return judgeXattr(owner, name, rawValue);
  } catch (error) {
    throw prefixError(`attribute ${showByteString(name)}`, error);
  }
}

function judgeXattr({ type, mode }: Owner, name: ByteString, rawValue: Uint8Array): JudgedValue {
  if (name.length === 0 || name.length > MAX_NAME_BYTES || name.includes('\0')) {
    throw invalid(`a name of 1 to ${MAX_NAME_BYTES} bytes without NUL, got ${name.length}`);
  }
  if (rawValue.length > MAX_VALUE_BYTES) throw invalid(`at most ${MAX_VALUE_BYTES} bytes, got ${rawValue.length}`);
  if (name === ACCESS_ACL) return judgeAccessAcl(type, mode, rawValue);
  if (name === DEFAULT_ACL) return judgeDefaultAcl(type, rawValue);
  const indexed = indexXattrName(name);
  if (indexed === undefined) return 'unsupported';
  if (indexed.rest === '') throw invalid('a name behind the prefix, got none');
  return name === CAPABILITY ? judgeCapability(rawValue) : rawValue;
}

function judgeAccessAcl(type: Owner['type'], mode: number, rawAcl: Uint8Array): JudgedValue {
  const acl = parseAcl(rawAcl);
  if (acl === 'unsupported' || type === 'symlink') return 'unsupported';
  return isModeOnly(acl) ? undefined : encodeAcl(fitToMode(acl, mode));
}

function judgeDefaultAcl(type: Owner['type'], rawAcl: Uint8Array): JudgedValue {
  const acl = parseAcl(rawAcl);
  if (acl === 'unsupported' || type === 'symlink') return 'unsupported';
  if (acl.length === 0) return undefined;
  if (type !== 'directory') throw invalid('a default ACL on a directory, got one on something else');
  return encodeAcl(acl);
}

/**
 * Judges as cap_convert_nscap of security/commoncap.c: revisions 2 and 3; of the flags of 3, only the effective bit
 * stays.
 */
function judgeCapability(rawValue: Uint8Array): Uint8Array {
  if (rawValue.length === 0) return rawValue;
  const value = Buffer.from(rawValue);
  const revision = value.length < 4 ? 0 : value.readUInt8(3);
  if (CAPABILITY_BYTES.get(revision) !== value.length) {
    throw invalid(`capabilities of revision 2 or 3, got revision ${revision} in ${value.length} bytes`);
  }
  if (revision === 3) {
    if (value.readUInt32LE(ROOT_ID_OFFSET) === 0xffffffff) throw invalid('capabilities with an owner, got none');
    value.writeUInt32LE(0x0300_0000 + (value.readUInt32LE(0) & CAPABILITY_EFFECTIVE), 0);
  }
  return value;
}

function invalid(expectation: string): SealiftError {
  return new SealiftError('UNPACK_ENTRY_INVALID', `expected ${expectation}`);
}
