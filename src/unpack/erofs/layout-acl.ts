import { SealiftError } from '../../errors/index.ts';

/** include/uapi/linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id. */
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const VERSION = 2;
const UNDEFINED_ID = 0xffffffff;

const TAG = { userObj: 0x01, user: 0x02, groupObj: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const;

/** acl(5): the tags in the order in which an ACL must have them; named users and groups may repeat. */
const ORDER: readonly number[] = [TAG.userObj, TAG.user, TAG.groupObj, TAG.group, TAG.mask, TAG.other];
const NAMED: readonly number[] = [TAG.user, TAG.group];
const REQUIRED: readonly number[] = [TAG.userObj, TAG.groupObj, TAG.other];

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

/** The entries of an ACL; `unsupported` for another version of the format. */
export type ParsedAcl = readonly AclEntry[] | 'unsupported';

/**
 * Parses attacker-controlled bytes as posix_acl_from_xattr and posix_acl_valid of fs/posix_acl.c do. An absent ACL is
 * empty. Throws UNPACK_ENTRY_INVALID.
 */
export function parseAcl(rawAcl: Uint8Array): ParsedAcl {
  if (rawAcl.length === 0) return [];
  const bytes = Buffer.from(rawAcl.buffer, rawAcl.byteOffset, rawAcl.byteLength);
  if (bytes.length < HEADER_BYTES) throw invalidAcl(`at least ${HEADER_BYTES} bytes, got ${bytes.length}`);
  if (bytes.readUInt32LE(0) !== VERSION) return 'unsupported';
  if ((bytes.length - HEADER_BYTES) % ENTRY_BYTES !== 0) throw invalidAcl(`whole entries, got ${bytes.length} bytes`);
  const entries: AclEntry[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) entries.push(readEntry(bytes, at));
  if (entries.length > 0) assertComplete(entries);
  return entries;
}

function readEntry(bytes: Buffer, at: number): AclEntry {
  const tag = bytes.readUInt16LE(at);
  const permissions = bytes.readUInt16LE(at + 2);
  const id = NAMED.includes(tag) ? bytes.readUInt32LE(at + 4) : UNDEFINED_ID;
  if (!ORDER.includes(tag)) throw invalidAcl(`a known tag, got ${tag}`);
  if (permissions > 7) throw invalidAcl(`permissions up to 7, got ${permissions}`);
  if (NAMED.includes(tag) && id === UNDEFINED_ID) throw invalidAcl('a user or group, got the undefined one');
  return { tag, permissions, id };
}

function assertComplete(entries: readonly AclEntry[]): void {
  const tags = entries.map(({ tag }) => tag);
  tags.forEach((tag, at) => {
    const before = tags[at - 1];
    if (before === undefined) return;
    const repeats = tag === before && NAMED.includes(tag);
    if (!repeats && ORDER.indexOf(tag) <= ORDER.indexOf(before)) throw invalidAcl(`tags in order, got ${tags.join()}`);
  });
  const needsMask = tags.some((tag) => NAMED.includes(tag));
  const missing = [...REQUIRED, ...(needsMask ? [TAG.mask] : [])].find((tag) => !tags.includes(tag));
  if (missing !== undefined) throw invalidAcl(`an entry with tag ${missing}, got ${tags.join()}`);
}

/** True if the mode expresses the ACL, of which Linux then keeps nothing (posix_acl_equiv_mode). */
export function isModeOnly(acl: readonly AclEntry[]): boolean {
  return acl.every(({ tag }) => REQUIRED.includes(tag));
}

/** Returns the access ACL after chmod(2) to `mode` (posix_acl_chmod): the mode of an entry takes precedence. */
export function fitToMode(acl: readonly AclEntry[], mode: number): AclEntry[] {
  const groupTag = acl.some(({ tag }) => tag === TAG.mask) ? TAG.mask : TAG.groupObj;
  return acl.map((entry) => {
    if (entry.tag === TAG.userObj) return { ...entry, permissions: (mode >> 6) & 7 };
    if (entry.tag === groupTag) return { ...entry, permissions: (mode >> 3) & 7 };
    return entry.tag === TAG.other ? { ...entry, permissions: mode & 7 } : entry;
  });
}

export function encodeAcl(acl: readonly AclEntry[]): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + acl.length * ENTRY_BYTES);
  bytes.writeUInt32LE(VERSION, 0);
  acl.forEach(({ tag, permissions, id }, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  });
  return bytes;
}

function invalidAcl(expectation: string): SealiftError {
  return new SealiftError('UNPACK_ENTRY_INVALID', `expected an ACL with ${expectation}`);
}
