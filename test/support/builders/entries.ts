import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ByteString, toByteString } from '../../../src/bytes/index.ts';
import { lgetxattr, llistxattr } from '../../../src/platform/index.ts';
import type { EntrySink } from '../../../src/unpack/index.ts';
import type { EntryType, TarEntry } from '../../../src/unpack/types.ts';
import { type Bytes, type TarMember, toBuffer } from './tar-builder.ts';

/** Bytes of a text given as UTF-8. */
export function bytes(text: string): ByteString {
  return toByteString(Buffer.from(text));
}

/** The time of an entry whose member has none. */
export const MTIME = { seconds: 1_600_000_000, nanoseconds: 123_456_789 } as const;

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** The member as the tar reader would give it to a sink. */
export function toEntry(member: TarMember): TarEntry {
  const { uid = 0, gid = 0, mode = 0o644, mtime = MTIME, device, xattrs = {} } = member;
  const type = TYPES[member.type];
  if (type === undefined) throw new Error(`no entry has the type flag ${member.type}`);
  return {
    ...{ type, mode, uid, gid },
    unsafeName: byteString(member.name),
    unsafeLinkname: byteString(member.linkname ?? ''),
    size: contentOf(member).length,
    mtime: { seconds: mtime.seconds, nanoseconds: mtime.nanoseconds ?? 0 },
    devmajor: device?.major ?? 0,
    devminor: device?.minor ?? 0,
    xattrs: new Map(Object.entries(xattrs).map(([key, value]) => [byteString(key), toBuffer(value)])),
  };
}

export function contentOf({ content = '' }: TarMember): Buffer {
  if (typeof content === 'object' && 'chunks' in content) throw new Error('an entry is fed from memory');
  return toBuffer(content);
}

/** Feeds the members, content in chunks of 5 bytes, and the end. */
export function feed(sink: EntrySink, members: readonly TarMember[]): void {
  for (const member of members) {
    const content = contentOf(member);
    sink.entry(toEntry(member));
    for (let at = 0; at < content.length; at += 5) sink.data(content.subarray(at, at + 5));
  }
  sink.end();
}

function byteString(value: Bytes): ByteString {
  return toByteString(toBuffer(value));
}

/** Every path below `root` (bytes as latin1) with a line that says what lies there. */
export function listTree(root: string): Record<string, string> {
  const lines: Record<string, string> = {};
  const walk = (path: string) => {
    const at = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
    const stat = lstatSync(at);
    if (path !== '') lines[path] = describe(at);
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(at, { encoding: 'latin1' })) walk(path === '' ? name : `${path}/${name}`);
  };
  walk('');
  return lines;
}

function describe(at: Buffer): string {
  const stat = lstatSync(at);
  const mode = (stat.mode & 0o7777).toString(8);
  if (stat.isDirectory()) return `directory ${mode}`;
  if (stat.isSymbolicLink()) return `symlink ${readlinkSync(at, { encoding: 'latin1' })}`;
  if (stat.isFile()) return `file ${mode} ${readFileSync(at, 'latin1')}`;
  if (stat.isFIFO()) return `fifo ${mode}`;
  if (stat.isCharacterDevice() && stat.rdev === 0) return 'whiteout';
  const major = (stat.rdev >> 8) & 0xfff;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00);
  return `${stat.isBlockDevice() ? 'block' : 'char'} ${mode} ${major}:${minor}`;
}

/** Attribute names and values (latin1), without a label that the machine itself may set. */
export function listXattrs(path: string | Buffer): Record<string, string> {
  const xattrs = llistxattr(path).map(
    (name) => [name.toString('latin1'), lgetxattr(path, name)?.toString('latin1') ?? ''] as const,
  );
  return Object.fromEntries(xattrs.filter(([name]) => name !== 'security.selinux').sort());
}
