/** Bytes of a name or value: a Buffer, or a string with one character (U+0000–U+00FF) for each byte. */
export type Bytes = Uint8Array | string;

/** Content that is made while it is written, for archives that do not fit into memory. */
export interface GeneratedContent {
  readonly size: number;
  readonly chunks: Iterable<Uint8Array>;
}

export type PaxRecords = Readonly<Record<string, Bytes>> | readonly (readonly [key: Bytes, value: Bytes])[];

export interface MemberAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly uname?: string;
  readonly gname?: string;
  readonly mtime?: { readonly seconds: number; readonly nanoseconds?: number };
  readonly xattrs?: Readonly<Record<string, Bytes>>;
  /** Further PAX records, written after the builder's own. */
  readonly pax?: PaxRecords;
  /** How values that do not fit into a ustar header are written; `ustar` and `v7` refuse them. */
  readonly format?: 'pax' | 'gnu' | 'ustar' | 'v7';
}

export interface TarMember extends MemberAttributes {
  /** The type flag. */
  readonly type: string;
  readonly name: Bytes;
  readonly linkname?: Bytes;
  readonly content?: Bytes | GeneratedContent;
  readonly device?: { readonly major: number; readonly minor: number };
}

/** A field given as a number is written in octal with a NUL; given as bytes, it is written as it is. */
export interface HeaderFields {
  readonly name?: Bytes;
  readonly mode?: Bytes | number;
  readonly uid?: Bytes | number;
  readonly gid?: Bytes | number;
  readonly size?: Bytes | number;
  readonly mtime?: Bytes | number;
  readonly checksum?: Bytes | 'unsigned' | 'signed';
  readonly type?: Bytes;
  readonly linkname?: Bytes;
  /** `ustar` and `gnu` are written as magic and version; eight bytes as they are. */
  readonly magic?: 'ustar' | 'gnu' | 'v7' | Uint8Array;
  readonly uname?: Bytes;
  readonly gname?: Bytes;
  readonly devmajor?: Bytes | number;
  readonly devminor?: Bytes | number;
  /** From offset 345: up to 155 bytes of prefix, or whatever another format has there, up to the end of the block. */
  readonly prefix?: Bytes;
}

export interface TarOptions {
  /** What follows the last member; two zero blocks when absent. */
  readonly end?: 'two-blocks' | 'one-block' | 'none' | Uint8Array;
}

const BLOCK = 512;
const DEFAULT_MTIME = { seconds: 1_600_000_000, nanoseconds: 0 };

export function file(
  name: Bytes,
  content: Bytes | GeneratedContent = '',
  attributes: MemberAttributes = {},
): TarMember {
  return { type: '0', name, content, ...attributes };
}

/** The name gets its trailing slash here. */
export function dir(name: Bytes, attributes: MemberAttributes = {}): TarMember {
  const bytes = toBuffer(name);
  const slashed = bytes.at(-1) === 0x2f ? bytes : Buffer.concat([bytes, Buffer.from('/')]);
  return { type: '5', name: slashed, mode: 0o755, ...attributes };
}

export function symlink(name: Bytes, target: Bytes, attributes: MemberAttributes = {}): TarMember {
  return { type: '2', name, linkname: target, mode: 0o777, ...attributes };
}

export function hardlink(name: Bytes, target: Bytes, attributes: MemberAttributes = {}): TarMember {
  return { type: '1', name, linkname: target, ...attributes };
}

export function char(name: Bytes, major: number, minor: number, attributes: MemberAttributes = {}): TarMember {
  return { type: '3', name, device: { major, minor }, ...attributes };
}

export function block(name: Bytes, major: number, minor: number, attributes: MemberAttributes = {}): TarMember {
  return { type: '4', name, device: { major, minor }, ...attributes };
}

export function fifo(name: Bytes, attributes: MemberAttributes = {}): TarMember {
  return { type: '6', name, ...attributes };
}

/** The whiteout that removes `path` of the layers below: `a/b` becomes `a/.wh.b`. */
export function whiteout(path: string, attributes: MemberAttributes = {}): TarMember {
  const slash = path.lastIndexOf('/') + 1;
  return file(`${path.slice(0, slash)}.wh.${path.slice(slash)}`, '', attributes);
}

/** The mark that hides everything below in `directory` (`''` or `.` is the root). */
export function opaque(directory: string, attributes: MemberAttributes = {}): TarMember {
  const prefix = directory === '' || directory === '.' ? '' : `${directory.replace(/\/$/, '')}/`;
  return file(`${prefix}.wh..wh..opq`, '', attributes);
}

/** A whole archive. Buffers among the members go in as they are: raw headers, broken blocks, other archives. */
export function tar(members: Iterable<TarMember | Uint8Array>, options: TarOptions = {}): Buffer {
  return Buffer.concat([...tarStream(members, options)]);
}

/** The same archive, piece by piece; each member and its content is read only when it is written. */
export function* tarStream(
  members: Iterable<TarMember | Uint8Array>,
  options: TarOptions = {},
): Generator<Buffer, void, undefined> {
  for (const member of members) {
    if (member instanceof Uint8Array) yield toBuffer(member);
    else yield* memberBytes(member);
  }
  const { end = 'two-blocks' } = options;
  if (end instanceof Uint8Array) yield toBuffer(end);
  else if (end !== 'none') yield zeroBlocks(end === 'two-blocks' ? 2 : 1);
}

export function zeroBlocks(count: number): Buffer {
  return Buffer.alloc(count * BLOCK);
}

/** `content` followed by zeros up to the next block. */
export function padded(content: Bytes): Buffer {
  const bytes = toBuffer(content);
  return Buffer.concat([bytes, padding(bytes.length)]);
}

/** One `LENGTH KEY=VALUE\n` record. */
export function paxRecord(key: Bytes, value: Bytes): Buffer {
  const rest = Buffer.concat([toBuffer(' '), toBuffer(key), toBuffer('='), toBuffer(value), toBuffer('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([toBuffer(String(length)), rest]);
}

/** The records of a PAX header, without header block and padding. Pairs instead of an object may repeat keys. */
export function paxRecords(records: PaxRecords): Buffer {
  const pairs: readonly (readonly [Bytes, Bytes])[] = isPairs(records) ? records : Object.entries(records);
  return Buffer.concat(pairs.map(([key, value]) => paxRecord(key, value)));
}

/** An extended header (`x`) for the next member or a global one (`g`): header block, records, padding. */
export function paxHeader(records: PaxRecords | Uint8Array, type: 'x' | 'g' = 'x'): Buffer {
  const body = records instanceof Uint8Array ? records : paxRecords(records);
  const name = type === 'x' ? 'PaxHeaders/member' : 'pax_global_header';
  return Buffer.concat([rawHeader({ name, type, size: body.length }), padded(body)]);
}

/** GNU's long name (`L`) or long link target (`K`) of the next member, NUL-terminated as GNU tar writes it. */
export function gnuLong(type: 'L' | 'K', value: Bytes): Buffer {
  const body = Buffer.concat([toBuffer(value), Buffer.alloc(1)]);
  const header = rawHeader({ name: '././@LongLink', type, size: body.length, mtime: 0, magic: 'gnu' });
  return Buffer.concat([header, padded(body)]);
}

/** One header block with the given fields; the others are those of an empty regular file. */
export function rawHeader(fields: HeaderFields = {}): Buffer {
  const header = Buffer.alloc(BLOCK);
  const magic = fields.magic ?? 'ustar';
  putField(header, fields.name ?? 'member', 0, 100);
  putField(header, fields.mode ?? 0o644, 100, 8);
  putField(header, fields.uid ?? 0, 108, 8);
  putField(header, fields.gid ?? 0, 116, 8);
  putField(header, fields.size ?? 0, 124, 12);
  putField(header, fields.mtime ?? DEFAULT_MTIME.seconds, 136, 12);
  putField(header, fields.type ?? '0', 156, 1);
  putField(header, fields.linkname ?? '', 157, 100);
  putField(header, magicBytes(magic), 257, 8);
  if (magic !== 'v7') {
    putField(header, fields.uname ?? '', 265, 32);
    putField(header, fields.gname ?? '', 297, 32);
    putField(header, fields.devmajor ?? 0, 329, 8);
    putField(header, fields.devminor ?? 0, 337, 8);
    putField(header, fields.prefix ?? '', 345, 167);
  }
  return sealHeader(header, fields.checksum ?? 'unsigned');
}

/** Writes the checksum into a header block that was changed; returns the same buffer. */
export function sealHeader(header: Buffer, checksum: Bytes | 'unsigned' | 'signed' = 'unsigned'): Buffer {
  if (checksum === 'unsigned' || checksum === 'signed') {
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + (checksum === 'signed' ? (byte << 24) >> 24 : byte), 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  } else {
    putField(header, checksum, 148, 8);
  }
  return header;
}

/** GNU's base-256: two's complement, big-endian, first bit set. */
export function base256(value: bigint, width: 8 | 12): Buffer {
  const field = Buffer.alloc(width);
  for (let index = width - 1, rest = value; index >= 0; index--, rest >>= 8n) field[index] = Number(rest & 0xffn);
  field[0] = (field[0] ?? 0) | 0x80;
  return field;
}

function* memberBytes(member: TarMember): Generator<Buffer, void, undefined> {
  const content = member.content ?? '';
  const size = isGenerated(content) ? content.size : content.length;
  yield* member.format === 'gnu' ? gnuHeaders(member, size) : paxHeaders(member, size);
  if (!isGenerated(content)) {
    yield padded(content);
    return;
  }
  let written = 0;
  for (const chunk of content.chunks) {
    written += chunk.length;
    yield toBuffer(chunk);
  }
  if (written !== size) throw new Error(`generated content has ${written} bytes and was announced with ${size}`);
  yield padding(size);
}

function* paxHeaders(member: TarMember, size: number): Generator<Buffer, void, undefined> {
  const { uid = 0, gid = 0, mtime = DEFAULT_MTIME, format = 'pax' } = member;
  const name = toBuffer(member.name);
  const linkname = toBuffer(member.linkname ?? '');
  const records: [Bytes, Bytes][] = [];
  if (name.length > 100) records.push(['path', name]);
  if (linkname.length > 100) records.push(['linkpath', linkname]);
  if (size > 0o77777777777) records.push(['size', String(size)]);
  if (uid > 0o7777777) records.push(['uid', String(uid)]);
  if (gid > 0o7777777) records.push(['gid', String(gid)]);
  if (mtime.nanoseconds || !isOctalTime(mtime.seconds)) records.push(['mtime', decimalTime(mtime)]);
  for (const [key, value] of Object.entries(member.xattrs ?? {})) records.push([`SCHILY.xattr.${key}`, value]);
  const body = Buffer.concat([paxRecords(records), paxRecords(member.pax ?? [])]);
  if (body.length > 0) {
    if (format !== 'pax') throw new Error(`member ${name.toString('latin1')} does not fit into a ${format} header`);
    yield paxHeader(body);
  }
  yield rawHeader({
    ...plainFields(member),
    name: shortened(name),
    linkname: shortened(linkname),
    size: size > 0o77777777777 ? 0 : size,
    uid: uid > 0o7777777 ? 0 : uid,
    gid: gid > 0o7777777 ? 0 : gid,
    mtime: isOctalTime(mtime.seconds) ? mtime.seconds : 0,
    magic: format === 'v7' ? 'v7' : 'ustar',
  });
}

function* gnuHeaders(member: TarMember, size: number): Generator<Buffer, void, undefined> {
  const { uid = 0, gid = 0, mtime = DEFAULT_MTIME } = member;
  const name = toBuffer(member.name);
  const linkname = toBuffer(member.linkname ?? '');
  if (member.xattrs || member.pax) throw new Error(`member ${name.toString('latin1')}: GNU headers carry no records`);
  if (linkname.length > 100) yield gnuLong('K', linkname);
  if (name.length > 100) yield gnuLong('L', name);
  yield rawHeader({
    ...plainFields(member),
    name: shortened(name),
    linkname: shortened(linkname),
    size: size > 0o77777777777 ? base256(BigInt(size), 12) : size,
    uid: uid > 0o7777777 ? base256(BigInt(uid), 8) : uid,
    gid: gid > 0o7777777 ? base256(BigInt(gid), 8) : gid,
    mtime: isOctalTime(mtime.seconds) ? mtime.seconds : base256(BigInt(mtime.seconds), 12),
    magic: 'gnu',
  });
}

function plainFields(member: TarMember): HeaderFields {
  return {
    mode: member.mode ?? 0o644,
    type: member.type,
    uname: member.uname ?? '',
    gname: member.gname ?? '',
    devmajor: member.device?.major ?? 0,
    devminor: member.device?.minor ?? 0,
  };
}

/** A file whose cut name ends in a slash would be a directory for readers that look here first. */
function shortened(name: Buffer): Buffer {
  if (name.length <= 100) return name;
  let end = 100;
  while (name[end - 1] === 0x2f) end--;
  return name.subarray(0, end);
}

function isOctalTime(seconds: number): boolean {
  return seconds >= 0 && seconds <= 0o77777777777;
}

/** PAX writes a time as a signed decimal: −1 s and 250 000 000 ns is `-0.75`. */
function decimalTime({
  seconds,
  nanoseconds = 0,
}: {
  readonly seconds: number;
  readonly nanoseconds?: number;
}): string {
  const total = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  const magnitude = total < 0n ? -total : total;
  const fraction = String(magnitude % 1_000_000_000n).padStart(9, '0');
  return `${total < 0n ? '-' : ''}${magnitude / 1_000_000_000n}.${fraction}`;
}

function putField(header: Buffer, value: Bytes | number, offset: number, width: number): void {
  const bytes = toBuffer(typeof value === 'number' ? `${value.toString(8).padStart(width - 1, '0')}\0` : value);
  if (bytes.length > width) throw new Error(`a header field of ${width} bytes cannot hold ${bytes.length}`);
  header.fill(0, offset, offset + width);
  bytes.copy(header, offset);
}

function magicBytes(magic: 'ustar' | 'gnu' | 'v7' | Uint8Array): Bytes {
  if (typeof magic !== 'string') return magic;
  return { ustar: 'ustar\x0000', gnu: 'ustar  \0', v7: '' }[magic];
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

export function toBuffer(bytes: Bytes): Buffer {
  return typeof bytes === 'string'
    ? Buffer.from(bytes, 'latin1')
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isGenerated(content: Bytes | GeneratedContent): content is GeneratedContent {
  return typeof content === 'object' && 'chunks' in content;
}

function isPairs(records: PaxRecords): records is readonly (readonly [Bytes, Bytes])[] {
  return Array.isArray(records);
}
