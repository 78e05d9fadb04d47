import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import { createDirectoryWriter, createLowerView } from '../../src/unpack/index.ts';
import { feed, listTree } from '../support/builders/entries.ts';
import {
  type Bytes,
  char,
  dir,
  fifo,
  file,
  hardlink,
  symlink,
  type TarMember,
} from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { failure } from '../support/matchers.ts';

/** Outside of every root, reached by `..`, by an absolute path and as a sibling with a common prefix. */
const SENTINELS = ['secret', 'outside/secret', 'root-evil/secret'];
const SENTINEL_MODE = 0o640;

/** A root with something to protect all around it; `root` is where layers go, by number. */
class Cell implements Disposable {
  readonly #scratch = new Scratch('escape');
  readonly outside = this.#scratch.join('outside');

  constructor() {
    for (const name of ['outside', 'root-evil', 'root']) mkdirSync(this.#scratch.join(name));
    for (const name of SENTINELS) writeFileSync(this.#scratch.join(name), name, { mode: SENTINEL_MODE });
  }

  root(layer: number): string {
    const path = this.#scratch.join('root', String(layer));
    mkdirSync(path, { recursive: true });
    return path;
  }

  assertUntouched(): void {
    expect(readdirSync(this.#scratch.path).sort()).toEqual(['outside', 'root', 'root-evil', 'secret']);
    expect(readdirSync(this.outside)).toEqual(['secret']);
    expect(lstatSync(this.outside).mode & 0o7777).toBe(0o755);
    for (const name of SENTINELS) {
      const path = this.#scratch.join(name);
      const stat = lstatSync(path);
      expect(readFileSync(path, 'utf8')).toBe(name);
      expect([stat.mode & 0o7777, stat.uid, stat.nlink]).toEqual([SENTINEL_MODE, 0, 1]);
    }
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

/** One on top of the other, each in a directory of its own; gives the tree of the last. */
function unpackStack(cell: Cell, layers: readonly (readonly TarMember[])[]): Record<string, string> {
  const lowers: string[] = [];
  layers.forEach((members, at) => {
    const root = cell.root(at);
    const lower = createLowerView(lowers);
    const writer = createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS });
    try {
      feed(writer, members);
    } finally {
      writer.close();
    }
    lowers.unshift(root);
  });
  return listTree(lowers[0] ?? '');
}

/** All into one directory. */
function unpackMerged(cell: Cell, layers: readonly (readonly TarMember[])[]): Record<string, string> {
  const root = cell.root(0);
  const writer = createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS });
  try {
    layers.forEach((members, at) => {
      if (at > 0) writer.beginLayer();
      feed(writer, members);
    });
  } finally {
    writer.close();
  }
  return listTree(root);
}

const FORMS = [
  ['stacked', unpackStack],
  ['merged', unpackMerged],
] as const;

interface Attack {
  readonly name: string;
  layers(outside: string): readonly (readonly TarMember[])[];
}

interface Refused extends Attack {
  readonly code: ErrorCode;
}

interface Confined extends Attack {
  /** Paths, and what must lie there. */
  expected(outside: string): Record<string, string>;
}

const evil = (name: Bytes): TarMember => file(name, 'evil', { mode: 0o777 });

const REFUSED: readonly Refused[] = [
  ...['../secret', '../../secret', '/../secret', 'a/../../secret', './../secret', '../root-evil/secret', '..'].flatMap(
    (path): Refused[] => [
      { name: `file ${path}`, code: 'UNPACK_PATH_ESCAPE', layers: () => [[dir('a'), evil(path)]] },
      {
        name: `directory ${path}`,
        code: 'UNPACK_PATH_ESCAPE',
        layers: () => [[dir('a'), dir(path, { mode: 0o777 })]],
      },
      { name: `symlink ${path}`, code: 'UNPACK_PATH_ESCAPE', layers: () => [[dir('a'), symlink(path, 'x')]] },
      {
        name: `hard link to ${path}`,
        code: 'UNPACK_PATH_ESCAPE',
        layers: () => [[dir('a'), hardlink('h', path)]],
      },
    ],
  ),
  { name: 'whiteout above the root', code: 'UNPACK_PATH_ESCAPE', layers: () => [[file('../.wh.secret')]] },
  { name: 'opaque mark above the root', code: 'UNPACK_PATH_ESCAPE', layers: () => [[file('../.wh..wh..opq')]] },
  ...['.wh..', '.wh...', 'd/.wh..', 'd/.wh...', '.wh.'].map(
    (path): Refused => ({
      name: `whiteout ${path} of a directory itself or its parent`,
      code: 'UNPACK_ENTRY_INVALID',
      layers: () => [[dir('d'), file('d/kept')], [file(path)]],
    }),
  ),
  // CVE-2021-29136: the root entry as something else than a directory.
  ...['.', './', '/', './/', '', 'a/..', '/./'].flatMap((path): Refused[] => [
    {
      name: `root ${JSON.stringify(path)} as symlink`,
      code: 'UNPACK_ENTRY_INVALID',
      layers: (o) => [[symlink(path, o), evil('secret')]],
    },
    { name: `root ${JSON.stringify(path)} as file`, code: 'UNPACK_ENTRY_INVALID', layers: () => [[evil(path)]] },
    {
      name: `root ${JSON.stringify(path)} as hard link`,
      code: 'UNPACK_ENTRY_INVALID',
      layers: () => [[file('f'), hardlink(path, 'f')]],
    },
    {
      name: `root ${JSON.stringify(path)} as device`,
      code: 'UNPACK_ENTRY_INVALID',
      layers: () => [[char(path, 1, 3)]],
    },
  ]),
  {
    name: 'hard link to a file outside, by absolute path',
    code: 'UNPACK_ENTRY_INVALID',
    layers: (o) => [[hardlink('h', `${o}/secret`), evil('h')]],
  },
  {
    name: 'hard link relative to the working directory',
    code: 'UNPACK_ENTRY_INVALID',
    layers: () => [[hardlink('h', 'package.json')]],
  },
  {
    name: 'hard link relative to its own directory',
    code: 'UNPACK_ENTRY_INVALID',
    layers: () => [[file('d/f'), hardlink('d/h', 'f')]],
  },
  {
    name: 'hard link through a symlink to outside',
    code: 'UNPACK_ENTRY_INVALID',
    layers: (o) => [[symlink('l', o), hardlink('h', 'l/secret')]],
  },
  {
    name: 'hard link through a chain of symlinks (CVE-2026-26960)',
    code: 'UNPACK_ENTRY_INVALID',
    layers: () => [[dir('d'), symlink('d/up', '..'), symlink('up2', 'd/up/..'), hardlink('h', 'up2/secret')]],
  },
  {
    name: 'hard link through a symlink of the layer below',
    code: 'UNPACK_ENTRY_INVALID',
    layers: (o) => [[symlink('l', o)], [hardlink('h', 'l/secret')]],
  },
  {
    name: 'endless symlinks',
    code: 'UNPACK_ENTRY_INVALID',
    layers: () => [[symlink('a', 'b'), symlink('b', 'a'), evil('a/x')]],
  },
  {
    name: 'overlay whiteout device from an image',
    code: 'UNPACK_ENTRY_INVALID',
    layers: () => [[char('c', 0, 0)]],
  },
  { name: 'name with NUL', code: 'UNPACK_ENTRY_INVALID', layers: () => [[evil('a\0/../../secret')]] },
  { name: 'symlink target with NUL', code: 'UNPACK_ENTRY_INVALID', layers: (o) => [[symlink('l', `${o}\0x`)]] },
];

const CONFINED: readonly Confined[] = [
  {
    name: 'file through an absolute symlink to a directory',
    layers: (o) => [[symlink('l', o), evil('l/secret')]],
    expected: (o) => ({ l: `symlink ${o}`, [`${o.slice(1)}/secret`]: 'file 777 evil' }),
  },
  {
    name: 'file through a climbing symlink',
    layers: () => [[symlink('l', '../outside'), evil('l/secret')]],
    expected: () => ({ l: 'symlink ../outside', 'outside/secret': 'file 777 evil' }),
  },
  {
    name: 'file through a symlink to the sibling with a common prefix (CVE-2025-48387)',
    layers: () => [[symlink('l', '../root-evil'), evil('l/secret')]],
    expected: () => ({ 'root-evil/secret': 'file 777 evil' }),
  },
  {
    name: 'file over a symlink to a file',
    layers: (o) => [[symlink('l', `${o}/secret`), evil('l')]],
    expected: () => ({ l: 'file 777 evil' }),
  },
  {
    name: 'directory over a symlink to a directory, with another mode (CVE-2021-32760)',
    layers: (o) => [[symlink('l', o), dir('l', { mode: 0o777, uid: 9 }), evil('l/secret')]],
    expected: () => ({ l: 'directory 777', 'l/secret': 'file 777 evil' }),
  },
  {
    name: 'device and fifo over a symlink',
    layers: (o) => [[symlink('l', `${o}/secret`), fifo('l', { mode: 0o666, uid: 9 })]],
    expected: () => ({ l: 'fifo 666' }),
  },
  {
    name: 'hard link to a symlink, then a file over it and attributes on it',
    layers: (o) => [[symlink('l', `${o}/secret`, { uid: 9, mode: 0o777 }), hardlink('h', 'l'), evil('h')]],
    expected: (o) => ({ l: `symlink ${o}/secret`, h: 'file 777 evil' }),
  },
  {
    name: 'chain of symlinks a → b/.., b → c, c → /',
    layers: () => [[symlink('c', '/'), symlink('b', 'c'), symlink('a', 'b/..'), evil('a/secret')]],
    expected: () => ({ secret: 'file 777 evil' }),
  },
  {
    name: 'symlink to .. at the root, many times',
    layers: () => [[symlink('u', '..'), evil('u/u/u/u/secret')]],
    expected: () => ({ secret: 'file 777 evil' }),
  },
  {
    name: 'symlink to /proc/self/root and to /proc/self/cwd',
    layers: (o) => [
      [symlink('p', '/proc/self/root'), evil(`p${o}/secret`), symlink('w', '/proc/self/cwd'), evil('w/secret')],
    ],
    expected: (o) => ({ [`proc/self/root${o}/secret`]: 'file 777 evil', 'proc/self/cwd/secret': 'file 777 evil' }),
  },
  {
    name: 'parent that turns from directory into symlink between two files',
    layers: (o) => [[dir('d'), file('d/one'), symlink('d', o), evil('d/secret')]],
    expected: (o) => ({ d: `symlink ${o}`, [`${o.slice(1)}/secret`]: 'file 777 evil' }),
  },
  {
    name: 'parent that turns from symlink into directory between two files',
    layers: (o) => [[symlink('d', o), evil('d/secret'), dir('d'), evil('d/secret')]],
    expected: () => ({ d: 'directory 755', 'd/secret': 'file 777 evil' }),
  },
  {
    name: 'symlink in one layer and a file through it in the next (CVE-2025-45582)',
    layers: (o) => [[symlink('l', o)], [evil('l/secret')]],
    expected: (o) => ({ [`${o.slice(1)}/secret`]: 'file 777 evil' }),
  },
  {
    name: 'climbing symlink in one layer and a file through it in the next',
    layers: () => [[dir('d'), symlink('d/l', '../../../outside')], [evil('d/l/secret')]],
    expected: () => ({ 'outside/secret': 'file 777 evil' }),
  },
  {
    name: 'symlink in one layer and a whiteout through it in the next',
    layers: (o) => [
      [symlink('l', o), file('kept')],
      [file('l/.wh.secret'), file('l/.wh..wh..opq')],
    ],
    expected: () => ({}),
  },
  {
    name: 'whiteout of a symlink to outside',
    layers: (o) => [[symlink('l', o)], [file('.wh.l')]],
    expected: () => ({}),
  },
  {
    name: 'opaque mark on a symlink to outside',
    layers: (o) => [[symlink('l', o), file('l/.wh..wh..opq')]],
    expected: () => ({}),
  },
  {
    name: 'symlink in one layer and a directory over it in the next',
    layers: (o) => [[symlink('l', o)], [dir('l', { mode: 0o777 }), evil('l/secret')]],
    expected: () => ({ l: 'directory 777', 'l/secret': 'file 777 evil' }),
  },
  {
    name: 'names that only look like the same (Unicode, case, backslash, drive)',
    layers: () => [
      [
        symlink(Buffer.from('\u00e9'), '../outside'),
        evil(Buffer.from('e\u0301/secret')),
        evil('C:/../x\\..\\..\\secret'),
        dir('D'),
        evil('d/secret'),
      ],
    ],
    expected: () => ({ 'x\\..\\..\\secret': 'file 777 evil', 'd/secret': 'file 777 evil' }),
  },
];

describeWith(['root'], 'a layer that tries to leave its root', () => {
  for (const [form, unpack] of FORMS) {
    it.each(REFUSED)(`is refused (${form}): $name`, async ({ layers, code }) => {
      using cell = new Cell();
      const error = await failure(() => unpack(cell, layers(cell.outside)));
      cell.assertUntouched();
      expect(error.code, error.message).toBe(code);
    });

    it.each(CONFINED)(`is confined (${form}): $name`, ({ layers, expected }) => {
      using cell = new Cell();
      const tree = unpack(cell, layers(cell.outside));
      cell.assertUntouched();
      expect(tree).toMatchObject(expected(cell.outside));
    });
  }

  it('is confined as well when it is applied without the layers below', () => {
    using cell = new Cell();
    const root = cell.root(0);
    const writer = createDirectoryWriter({ root, form: 'overlay', privileged: true, limits: DEFAULT_LIMITS });
    feed(writer, [
      symlink('l', cell.outside),
      evil('l/secret'),
      hardlink('h', 'l/none'),
      hardlink('s', `${cell.outside}/../secret`),
    ]);
    cell.assertUntouched();
    const inside = cell.outside.slice(1);
    expect(listTree(root)[`${inside}/secret`]).toBe('file 777 evil');
    expect(writer.facts().unresolvedLinks).toEqual([
      { path: 'h', target: `${inside}/none` },
      { path: 's', target: `${inside.slice(0, -basename(inside).length)}secret` },
    ]);
  });

  it('is told from a layer that stays inside, which passes', () => {
    using cell = new Cell();
    expect(unpackStack(cell, [[dir('d'), file('d/secret', 'mine'), symlink('l', 'd'), file('l/more', 'm')]])).toEqual({
      d: 'directory 755',
      'd/secret': 'file 644 mine',
      'd/more': 'file 644 m',
      l: 'symlink d',
    });
  });
});
