import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { fromByteString, toByteString } from '../../src/bytes/index.ts';
import { mustRun } from '../support/machine/commands.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { type ListedEntry, listTar } from '../support/oracles/tar-listing.ts';
import { IS_SOAK } from '../support/soak.ts';

interface Form {
  readonly format: 'v7' | 'ustar' | 'oldgnu' | 'gnu' | 'pax';
  readonly maxComponentLength: number;
  readonly maxDepth: number;
  readonly maxOwner: number;
  /** Seconds since 1970. */
  readonly minTime: number;
  readonly maxTime: number;
}

const OCTAL = { maxOwner: 0o7777777, minTime: 0, maxTime: 2 ** 32 } as const;
/** Owners of more than 21 bits and times before 1970 are written in base 256 or in a PAX record. */
const LARGE = {
  maxOwner: 2 ** 32 - 2,
  minTime: -(2 ** 31),
  maxTime: 2 ** 33,
  maxComponentLength: 120,
  maxDepth: 6,
} as const;

const FORMS: readonly Form[] = [
  { format: 'v7', maxComponentLength: 20, maxDepth: 4, ...OCTAL },
  { format: 'ustar', maxComponentLength: 20, maxDepth: 4, ...OCTAL },
  { format: 'oldgnu', ...LARGE },
  { format: 'gnu', ...LARGE },
  { format: 'pax', ...LARGE },
];

type Kind = 'file' | 'directory' | 'symlink' | 'hardlink';

interface Node {
  readonly components: readonly string[];
  readonly kind: Kind;
  readonly content: Uint8Array;
  /** The target of a symlink. */
  readonly target: string;
  readonly mode: number;
  readonly seconds: number;
}

/** Names of any bytes that a file can have, as characters up to U+00FF. */
const component = (maxLength: number) =>
  fc
    .array(
      fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f),
      { minLength: 1, maxLength },
    )
    .map((bytes) => Buffer.from(bytes).toString('latin1'))
    .filter((name) => name !== '.' && name !== '..');

function nodeIn({ maxComponentLength, maxDepth, minTime, maxTime }: Form): fc.Arbitrary<Node> {
  const name = fc.oneof(component(4), component(maxComponentLength));
  return fc.record({
    components: fc.array(name, { minLength: 1, maxLength: maxDepth }),
    kind: fc.constantFrom<Kind>('file', 'directory', 'symlink', 'hardlink'),
    // Sizes around one block, where padding begins and ends.
    content: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 510, maxLength: 1030 })),
    target: fc.array(name, { minLength: 1, maxLength: maxDepth }).map((names) => names.join('/')),
    // The owner has to be able to read it.
    mode: fc.integer({ min: 0, max: 0o7777 }).map((mode) => mode | 0o700),
    seconds: fc.integer({ min: minTime, max: maxTime }),
  });
}

const pathBytes = (...parts: readonly string[]) => fromByteString(parts.join('/'));

function make(root: string, node: Node, firstFile: Buffer | undefined): Buffer {
  const parents = node.components.slice(0, -1);
  parents.forEach((_, depth) => {
    mkdirSync(pathBytes(root, ...node.components.slice(0, depth + 1)), { recursive: true });
  });
  const path = pathBytes(root, ...node.components);
  if (node.kind === 'directory') mkdirSync(path);
  else if (node.kind === 'symlink') symlinkSync(fromByteString(node.target), path);
  else if (node.kind === 'hardlink' && firstFile !== undefined) linkSync(firstFile, path);
  else writeFileSync(path, node.content, { flag: 'wx' });
  return path;
}

const TAKEN: ReadonlySet<unknown> = new Set(['EEXIST', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENOENT', 'EACCES']);

/** Creates the nodes, and skips those whose path is already taken. */
function plant(root: string, nodes: readonly Node[]): void {
  const files: Buffer[] = [];
  const planted: { readonly path: Buffer; readonly node: Node }[] = [];
  for (const node of nodes) {
    try {
      const path = make(root, node, files[0]);
      planted.push({ path, node });
      if (node.kind === 'file') files.push(path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && TAKEN.has(error.code))) throw error;
    }
  }
  // The deepest first: what is made in a directory changes its time.
  for (const { path, node } of planted.sort((one, other) => other.path.length - one.path.length)) {
    if (node.kind !== 'symlink') chmodSync(path, node.mode);
    lutimesSync(path, node.seconds, node.seconds);
  }
}

/** Paths of all that is in a tree, without its own. */
function walk(root: string, below: readonly string[] = []): string[][] {
  return readdirSync(pathBytes(root, ...below), { encoding: 'buffer' }).flatMap((raw) => {
    const path = [...below, toByteString(raw)];
    return lstatSync(pathBytes(root, ...path)).isDirectory() ? [path, ...walk(root, path)] : [path];
  });
}

const TYPES = { file: 'isFile', directory: 'isDirectory', symlink: 'isSymbolicLink' } as const;

interface Expectation {
  readonly owner: number;
  readonly hasNanoseconds: boolean;
}

const SECOND = 1_000_000_000n;

function timeOf(nanoseconds: bigint): ListedEntry['mtime'] {
  const rest = ((nanoseconds % SECOND) + SECOND) % SECOND;
  return { seconds: Number((nanoseconds - rest) / SECOND), nanoseconds: Number(rest) };
}

/**
 * Compares entries with what the kernel reports for each node; names of one inode are a file and links to it, in the
 * order of the archive.
 */
function expectAsOnDisk(root: string, listed: readonly ListedEntry[], { owner, hasNanoseconds }: Expectation): void {
  const names = new Map<bigint, string>();
  for (const entry of listed) {
    const name = entry.unsafeName.replace(/^\.\/|\/$/g, '');
    const path = pathBytes(root, name);
    const stat = lstatSync(path, { bigint: true });
    const first = names.get(stat.ino);
    if (first !== undefined) {
      expect(entry).toMatchObject({ type: 'hardlink', unsafeLinkname: first });
      continue;
    }
    names.set(stat.ino, entry.unsafeName);
    if (entry.type !== 'file' && entry.type !== 'directory' && entry.type !== 'symlink') {
      throw new Error(`unexpected ${entry.type}`);
    }
    expect(stat[TYPES[entry.type]]()).toBe(true);
    expect(entry).toMatchObject({
      ...{ uid: owner, gid: owner, mode: Number(stat.mode & 0o7777n) },
      mtime: hasNanoseconds ? timeOf(stat.mtimeNs) : { seconds: timeOf(stat.mtimeNs).seconds, nanoseconds: 0 },
      content: entry.type === 'file' ? toByteString(readFileSync(path)) : '',
      unsafeLinkname: entry.type === 'symlink' ? toByteString(readlinkSync(path, { encoding: 'buffer' })) : '',
    });
  }
}

const PLAIN = { content: new Uint8Array(3), target: 'a', mode: 0o755, seconds: 1 };
const LINKED: Node[] = [
  { ...PLAIN, components: ['a'], kind: 'file' },
  { ...PLAIN, components: ['b'], kind: 'hardlink' },
];

describe('readTar on what GNU tar wrote of random trees', () => {
  it.each(FORMS)(
    'finds in $format form what is on the disk',
    async (form) => {
      const seen = { entries: 0, hardlinks: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(nodeIn(form), { maxLength: 12 }),
          fc.integer({ min: 0, max: form.maxOwner }),
          fc.integer({ min: 1, max: 5_000 }),
          async (nodes, owner, chunkBytes) => {
            using scratch = new Scratch('tree');
            plant(scratch.path, nodes);
            lutimesSync(scratch.path, 0, 0);
            const flags = [`--format=${form.format}`, `--owner=:${owner}`, `--group=:${owner}`];
            const archive = await mustRun('tar', [...flags, '-C', scratch.path, '-cf', '-', '.']);
            const listed = listTar(archive, chunkBytes);
            const inTree = walk(scratch.path).map((path) => path.join('/'));
            expect(listed.map(({ unsafeName }) => unsafeName.replace(/^\.\/|\/$/g, '')).sort()).toEqual(
              ['', ...inTree].sort(),
            );
            expectAsOnDisk(scratch.path, listed, { owner, hasNanoseconds: form.format === 'pax' });
            seen.entries += listed.length;
            seen.hardlinks += listed.filter(({ type }) => type === 'hardlink').length;
          },
        ),
        { numRuns: IS_SOAK ? 500 : 25, examples: [[LINKED, 0, 1_000]] },
      );
      expect(Math.min(seen.entries, seen.hardlinks)).toBeGreaterThan(0);
    },
    300_000,
  );
});

const streamName = fc
  .array(fc.stringMatching(/^[a-z0-9äöüé€😀 _.+-]{1,90}$/u), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));
/** tar-stream takes mode 0 for "not given", and writes owners in six digits. */
const streamEntry = fc.record({
  kind: fc.constantFrom('file', 'directory', 'symlink', 'link' as const),
  name: streamName,
  linkname: streamName,
  content: fc.uint8Array({ maxLength: 1200 }),
  mode: fc.integer({ min: 1, max: 0o7777 }),
  owner: fc.integer({ min: 0, max: 0o777777 }),
  // tar-stream cuts seconds to 31 bits.
  seconds: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});
type StreamEntry = typeof streamEntry extends fc.Arbitrary<infer T> ? T : never;

const hasContent = ({ kind }: StreamEntry) => kind === 'file';
const isLink = ({ kind }: StreamEntry) => kind === 'symlink' || kind === 'link';

async function packEntries(entries: readonly StreamEntry[]): Promise<Buffer> {
  const stream = pack();
  for (const entry of entries) {
    const { kind, name, linkname, content, mode, owner, seconds } = entry;
    const common = { name, mode, uid: owner, gid: owner, mtime: new Date(seconds * 1000) };
    const header = { ...common, type: kind, ...(isLink(entry) ? { linkname } : {}) };
    if (hasContent(entry)) stream.entry(header, Buffer.from(content));
    else stream.entry(header);
  }
  stream.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('readTar on what tar-stream wrote', () => {
  it('finds every type of entry, with names and targets of any length', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(streamEntry, { maxLength: 8 }),
        fc.integer({ min: 1, max: 3_000 }),
        async (...sample) => {
          const [entries, chunkBytes] = sample;
          const utf8 = (text: string) => Buffer.from(text).toString('latin1');
          const listed = listTar(await packEntries(entries), chunkBytes);
          expect(listed).toMatchObject(
            entries.map((entry) => ({
              type: entry.kind === 'link' ? 'hardlink' : entry.kind,
              unsafeName: utf8(entry.name),
              unsafeLinkname: isLink(entry) ? utf8(entry.linkname) : '',
              content: hasContent(entry) ? toByteString(entry.content) : '',
              mode: entry.mode,
              uid: entry.owner,
              gid: entry.owner,
              mtime: { seconds: entry.seconds, nanoseconds: 0 },
            })),
          );
        },
      ),
    );
  });
});
