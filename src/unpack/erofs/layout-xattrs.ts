import { type ByteString, fromByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';

/** The sizes of `struct erofs_xattr_ibody_header` and `struct erofs_xattr_entry`. */
const HEADER_BYTES = 12;
const ENTRY_BYTES = 4;
const MAX_VALUE_BYTES = 0xffff;
/** `i_xattr_icount` has 16 bits and counts the header as one word. */
const MAX_BODY_BYTES = HEADER_BYTES + ENTRY_BYTES * (0xffff - 1);

/** EROFS_XATTR_INDEX_*: numbers that replace a whole name, and those that replace a prefix. */
const NAME_INDEXES: ReadonlyMap<string, number> = new Map([
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
]);
const PREFIX_INDEXES = [
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
] as const;

/** Splits a name into its index and the rest of the name; undefined for a name that the format cannot hold. */
export function indexXattrName(name: ByteString): { readonly index: number; readonly rest: string } | undefined {
  const whole = NAME_INDEXES.get(name);
  if (whole !== undefined) return { index: whole, rest: '' };
  for (const [prefix, index] of PREFIX_INDEXES) {
    if (name.startsWith(prefix)) return { index, rest: name.slice(prefix.length) };
  }
  return undefined;
}

/**
 * Encodes attributes, section “Extended attributes”, all inline and none shared: a header of 12 bytes, then entries
 * padded to four bytes. Undefined without attributes. Throws UNPACK_FILESYSTEM_UNSUPPORTED for more bytes than the
 * format allows.
 */
export function encodeXattrs(xattrs: ReadonlyMap<ByteString, Uint8Array>): Uint8Array | undefined {
  if (xattrs.size === 0) return undefined;
  const parts: Uint8Array[] = [Buffer.alloc(HEADER_BYTES)];
  for (const [name, value] of xattrs) parts.push(encodeEntry(name, value));
  const body = Buffer.concat(parts);
  if (body.length > MAX_BODY_BYTES) throw tooLarge('all attributes of an entry', MAX_BODY_BYTES, body.length);
  return body;
}

function encodeEntry(name: ByteString, value: Uint8Array): Buffer {
  if (value.length > MAX_VALUE_BYTES)
    throw tooLarge(`attribute ${showByteString(name)}`, MAX_VALUE_BYTES, value.length);
  const indexed = indexXattrName(name);
  if (indexed === undefined) {
    throw new SealiftError('INTERNAL', `expected an attribute that EROFS can hold, got ${showByteString(name)}`);
  }
  const rest = fromByteString(indexed.rest);
  const entry = Buffer.alloc(Math.ceil((ENTRY_BYTES + rest.length + value.length) / 4) * 4);
  entry.writeUInt8(rest.length, 0);
  entry.writeUInt8(indexed.index, 1);
  entry.writeUInt16LE(value.length, 2);
  entry.set(rest, ENTRY_BYTES);
  entry.set(value, ENTRY_BYTES + rest.length);
  return entry;
}

function tooLarge(what: string, limit: number, actual: number): SealiftError {
  return new SealiftError(
    'UNPACK_FILESYSTEM_UNSUPPORTED',
    `${what}: expected at most ${limit} bytes, the limit of EROFS, got ${actual}`,
    { context: { limit, actual } },
  );
}
