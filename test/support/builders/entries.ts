import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ByteString, toByteString } from '../../../src/bytes/index.ts';
import { lgetxattr, llistxattr } from '../../../src/platform/index.ts';
import type { EntrySink, EntryType, TarEntry } from '../../../src/unpack/index.ts';

/** An entry with its content, as the tar reader would feed it. */
export interface Member {
  readonly entry: TarEntry;
  readonly content: Uint8Array;
}

interface Attributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: { readonly seconds: number; readonly nanoseconds: number };
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
}

interface Special {
  readonly linkname?: string;
  readonly content?: string | Uint8Array;
  readonly major?: number;
  readonly minor?: number;
}

/** Bytes of a text given as UTF-8. */
export function bytes(text: string): ByteString {
  return toByteString(Buffer.from(text));
}

export const MTIME = { seconds: 1_600_000_000, nanoseconds: 123_456_789 } as const;

export function member(type: EntryType, name: string, options: Attributes & Special = {}): Member {
  const content = Buffer.from(options.content ?? '');
  const xattrs = Object.entries(options.xattrs ?? {}).map(([key, value]) => [bytes(key), Buffer.from(value)] as const);
  const entry: TarEntry = {
    type,
    unsafeName: bytes(name),
    unsafeLinkname: bytes(options.linkname ?? ''),
    mode: options.mode ?? (type === 'directory' ? 0o755 : 0o644),
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    size: content.length,
    mtime: options.mtime ?? MTIME,
    devmajor: options.major ?? 0,
    devminor: options.minor ?? 0,
    xattrs: new Map(xattrs),
  };
  return { entry, content };
}

export const file = (name: string, content: string | Uint8Array = '', attributes: Attributes = {}): Member =>
  member('file', name, { ...attributes, content });
export const directory = (name: string, attributes: Attributes = {}): Member => member('directory', name, attributes);
export const symlink = (name: string, linkname: string, attributes: Attributes = {}): Member =>
  member('symlink', name, { ...attributes, linkname });
export const hardlink = (name: string, linkname: string, attributes: Attributes = {}): Member =>
  member('hardlink', name, { ...attributes, linkname });

/** Feeds the members, content in chunks of 5 bytes, and the end. */
export function feed(sink: EntrySink, members: readonly Member[]): void {
  for (const { entry, content } of members) {
    sink.entry(entry);
    for (let at = 0; at < content.length; at += 5) sink.data(content.subarray(at, at + 5));
  }
  sink.end();
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
