import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { mustRun } from '../machine/commands.ts';

/** One node, with all properties that must survive a pull. */
export interface TreeRecord {
  readonly type: 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';
  /** Octal, with setuid, setgid and sticky. */
  readonly mode: string;
  readonly owner: string;
  /** Undefined for directories: their size is the file system's business. */
  readonly size: number | undefined;
  readonly mtimeNs: bigint;
  readonly target: string | undefined;
  readonly rdev: string | undefined;
  /** Name to hexadecimal value. */
  readonly xattrs: Readonly<Record<string, string>>;
  readonly sha256: string | undefined;
  /** All names of this node inside the tree, if there are several; directories have one. */
  readonly names: readonly string[];
}

/** Path from the root, one character for each byte, to its record; the root itself is `.`. */
export type Tree = ReadonlyMap<string, TreeRecord>;

const NO_XATTRS: Readonly<Record<string, string>> = {};

/** Reads the tree below `root`, following no link. Content is hashed, extended attributes come from getfattr. */
export async function readTree(root: string): Promise<Tree> {
  const xattrs = await readXattrs(root);
  const found: { path: string; absolute: Buffer; stats: BigIntStats }[] = [];
  const names = new Map<string, string[]>();
  const visit = (path: string, absolute: Buffer): void => {
    const stats = lstatSync(absolute, { bigint: true });
    found.push({ path, absolute, stats });
    if (!stats.isDirectory()) append(names, inodeOf(stats), path);
    else
      for (const name of sortedNames(absolute))
        visit(path === '.' ? latin1(name) : `${path}/${latin1(name)}`, joinBytes(absolute, name));
  };
  visit('.', Buffer.from(root));
  return new Map(
    found.map(({ path, absolute, stats }) => {
      const same = names.get(inodeOf(stats)) ?? [];
      return [path, toRecord(absolute, stats, xattrs.get(path) ?? NO_XATTRS, same.length > 1 ? same.toSorted() : [])];
    }),
  );
}

/** Differences in words, at most `limit` of them; none means equal. */
export function compareTrees(
  actual: Tree,
  expected: Tree,
  options: { readonly limit?: number; readonly withoutMtime?: (path: string) => boolean } = {},
): string[] {
  const differences: string[] = [];
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    const [left, right] = [actual.get(path), expected.get(path)];
    if (left === undefined) differences.push(`${show(path)}: missing`);
    else if (right === undefined) differences.push(`${show(path)}: ought not to be there`);
    else differences.push(...compareRecords(path, left, right, options.withoutMtime?.(path) ?? false));
  }
  const limit = options.limit ?? 30;
  if (differences.length <= limit) return differences;
  return [...differences.slice(0, limit), `… and ${differences.length - limit} more`];
}

function compareRecords(path: string, actual: TreeRecord, expected: TreeRecord, withoutMtime: boolean): string[] {
  const fields = ['type', 'mode', 'owner', 'size', 'mtimeNs', 'target', 'rdev', 'xattrs', 'sha256', 'names'] as const;
  return fields
    .filter((field) => !(withoutMtime && field === 'mtimeNs') && !isSame(actual[field], expected[field]))
    .map((field) => `${show(path)}: ${field} is ${inspect(actual[field])} and not ${inspect(expected[field])}`);
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right || (typeof left === 'object' && inspect(left) === inspect(right));
}

function inspect(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return JSON.stringify(Object.entries(value).toSorted());
  }
  return typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? 'undefined');
}

function show(path: string): string {
  return JSON.stringify(path);
}

function toRecord(
  absolute: Buffer,
  stats: BigIntStats,
  xattrs: Readonly<Record<string, string>>,
  names: readonly string[],
): TreeRecord {
  const type = typeOf(stats);
  return {
    type,
    mode: (Number(stats.mode) & 0o7777).toString(8).padStart(4, '0'),
    owner: `${stats.uid}:${stats.gid}`,
    size: type === 'directory' ? undefined : Number(stats.size),
    mtimeNs: stats.mtimeNs,
    target: type === 'symlink' ? latin1(readlinkSync(absolute, { encoding: 'buffer' })) : undefined,
    rdev: type === 'char' || type === 'block' ? formatDevice(stats.rdev) : undefined,
    xattrs,
    sha256: type === 'file' ? hashFile(absolute) : undefined,
    names,
  };
}

function typeOf(stats: BigIntStats): TreeRecord['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isCharacterDevice()) return 'char';
  if (stats.isBlockDevice()) return 'block';
  return stats.isFIFO() ? 'fifo' : 'socket';
}

/** makedev(3) backwards. */
function formatDevice(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

const HASH_CHUNK = Buffer.allocUnsafe(1 << 20);

function hashFile(path: Buffer): string {
  const hash = createHash('sha256');
  const descriptor = openSync(path, 'r');
  try {
    for (let count = readSync(descriptor, HASH_CHUNK); count > 0; count = readSync(descriptor, HASH_CHUNK)) {
      hash.update(HASH_CHUNK.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex');
}

/** One run of getfattr over the whole tree, in the root so that names are relative. It writes odd bytes as `\ooo`. */
async function readXattrs(root: string): Promise<Map<string, Record<string, string>>> {
  const output = await mustRun('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: root });
  const result = new Map<string, Record<string, string>>();
  for (const block of output.toString('latin1').split('\n\n')) {
    const [head = '', ...lines] = block.split('\n').filter((line) => line !== '');
    if (!head.startsWith('# file: ')) continue;
    const path = decodeOctal(head.slice('# file: '.length)).replace(/^\.\//, '');
    result.set(path, Object.fromEntries(lines.map(splitAttribute)));
  }
  return result;
}

function splitAttribute(line: string): [string, string] {
  const equals = line.indexOf('=0x');
  return equals === -1
    ? [decodeOctal(line.replace(/=$/, '')), '']
    : [decodeOctal(line.slice(0, equals)), line.slice(equals + 3)];
}

function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function sortedNames(directory: Buffer): Buffer[] {
  return readdirSync(directory, { encoding: 'buffer' }).toSorted(Buffer.compare);
}

function joinBytes(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name]);
}

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1');
}

function inodeOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
