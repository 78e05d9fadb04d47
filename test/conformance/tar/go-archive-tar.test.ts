import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectFailure, failure } from '../../support/matchers.ts';
import { type ListedEntry, listTar } from '../../support/oracles/tar-listing.ts';
import { CORPUS } from './corpus.ts';
import { STRICTER_THAN_GO } from './stricter-than-go.ts';

const GO_TYPES = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
} as const;

/** Defaults of the fields of a listing line: the oracle omits fields with these values. */
const DEFAULTS = {
  type: '0',
  name: '',
  linkname: '',
  mode: '420',
  uid: '0',
  gid: '0',
  mtime: '1600000000.000000000',
  devmajor: '0',
  devminor: '0',
  content: '',
  xattrs: {} as Readonly<Record<string, string>>,
};
type GoEntry = typeof DEFAULTS;
/** An error, or the entries; `tail` stands for the last member of most archives. */
type GoVerdict = string | readonly (Partial<GoEntry> | 'tail')[];

const { verdicts } = JSON.parse(
  readFileSync(new URL('../../../testdata/tar/go-verdicts.json', import.meta.url), 'utf8'),
) as { readonly verdicts: Readonly<Record<string, GoVerdict>> };

/** Removes what only Go lists: fields without a meaning for the type, and mode bits other than permissions. */
function normalizeGo(listed: Partial<GoEntry> | 'tail') {
  const entry = { ...DEFAULTS, ...(listed === 'tail' ? { name: 'tail', content: 'the tail' } : listed) };
  const type = Object.entries(GO_TYPES).find(([flag]) => flag === entry.type)?.[1];
  const isLink = type === 'hardlink' || type === 'symlink';
  const isDevice = type === 'char' || type === 'block';
  return {
    ...entry,
    type,
    linkname: isLink ? entry.linkname : '',
    mode: String(BigInt.asUintN(12, BigInt(entry.mode))),
    devmajor: isDevice ? entry.devmajor : '0',
    devminor: isDevice ? entry.devminor : '0',
  };
}

function normalizeOurs(entry: ListedEntry) {
  expect(entry.size).toBe(entry.content.length);
  return {
    type: entry.type,
    name: short(entry.unsafeName),
    linkname: short(entry.unsafeLinkname),
    mode: String(entry.mode),
    uid: String(entry.uid),
    gid: String(entry.gid),
    mtime: `${BigInt(entry.mtime.seconds)}.${String(entry.mtime.nanoseconds).padStart(9, '0')}`,
    devmajor: String(entry.devmajor),
    devminor: String(entry.devminor),
    content: short(entry.content),
    xattrs: Object.fromEntries(Object.entries(entry.xattrs).map(([name, value]) => [name, short(value)])),
  };
}

/** Replaces long values by their digest, as in the verdicts. */
function short(bytes: string): string {
  return bytes.length <= 300 ? bytes : `sha256:${createHash('sha256').update(bytes, 'latin1').digest('hex')}`;
}

const stricter = new Map(STRICTER_THAN_GO.flatMap(({ cases, code }) => cases.map((name) => [name, code] as const)));
const names = Object.keys(CORPUS);
const refusedByGo = names.filter((name) => typeof verdicts[name] === 'string');
const listedByBoth = names.filter((name) => typeof verdicts[name] !== 'string' && !stricter.has(name));

function archive(name: string): Buffer {
  const bytes = CORPUS[name];
  if (bytes === undefined) throw new Error(`the corpus has no ${name}`);
  return bytes;
}

describe('readTar against Go archive/tar', () => {
  it('has a verdict of Go for every archive of the corpus and for no other', () => {
    expect(Object.keys(verdicts).sort()).toEqual([...names].sort());
    expect(names.length).toBeGreaterThan(800);
  });

  it('names only archives that Go lists as refused by Sealift alone', () => {
    expect([...stricter.keys()].filter((name) => !Array.isArray(verdicts[name]))).toEqual([]);
  });

  it.each(refusedByGo)('refuses %s as Go does', async (name) => {
    const { code } = await failure(() => listTar(archive(name)));
    expect(['TAR_INVALID', 'TAR_UNSUPPORTED', 'LAYER_LIMIT_EXCEEDED']).toContain(code);
  });

  it.each([...stricter])('refuses %s with %s, which Go lists', async (name, code) => {
    await expectFailure(code, () => listTar(archive(name)));
  });

  it.each(listedByBoth)('lists %s as Go does', (name) => {
    const expected = verdicts[name];
    if (typeof expected !== 'object') throw new Error(`${name} is not listed by Go`);
    expect(listTar(archive(name)).map(normalizeOurs)).toEqual(expected.map(normalizeGo));
  });
});
