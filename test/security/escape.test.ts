import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import { createDirectoryWriter, createErofsWriter, type EntrySink, readTar } from '../../src/unpack/index.ts';
import { type Attack, type AttackLayer, evil, INVALID, MECHANISMS } from '../support/attacks/attack.ts';
import { ATTACKS } from '../support/attacks/attacks.ts';
import { feed, listTree } from '../support/builders/entries.ts';
import { lowerView } from '../support/builders/lower-view.ts';
import { dir, file, hardlink, symlink, type TarMember, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';

/** Files outside of every root, reached by `..`, by an absolute path and as a sibling with a common prefix. */
const SENTINELS = ['secret', 'outside/secret', 'root-evil/secret'];
const SENTINEL_MODE = 0o640;

/** A root surrounded by files to protect; `root` is the directory for layers, by number. */
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

/** Gives one layer to a sink, to its end. */
type Feed = (sink: EntrySink, members: AttackLayer) => void;

/** Feeds a layer as the product does: as an archive, through the reader. */
const readArchive: Feed = (sink, members) => {
  const line = readTar(DEFAULT_LIMITS, sink);
  line.write(tar(members));
  line.end();
};

/** Feeds entries without an archive: what the reader would refuse, the writer has to refuse as well. */
const feedEntries: Feed = (sink, members) => feed(sink, members.filter(isMember));

type Tree = Record<string, string>;
type Unpack = (cell: Cell, layers: readonly AttackLayer[], give: Feed) => Tree | undefined;

/** Unpacks layers one on top of the other, each into a directory of its own; returns the tree of the last. */
function unpackStack(cell: Cell, layers: readonly AttackLayer[], give: Feed): Tree {
  const lowers: string[] = [];
  layers.forEach((members, at) => {
    const root = cell.root(at);
    const lower = lowerView(lowers);
    const writer = createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS });
    try {
      give(writer, members);
    } finally {
      writer.close();
    }
    lowers.unshift(root);
  });
  return listTree(lowers[0] ?? '');
}

/** Unpacks all layers into one directory. */
function unpackMerged(cell: Cell, layers: readonly AttackLayer[], give: Feed): Tree {
  const root = cell.root(0);
  const writer = createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS });
  try {
    layers.forEach((members, at) => {
      if (at > 0) writer.beginLayer();
      give(writer, members);
    });
  } finally {
    writer.close();
  }
  return listTree(root);
}

/**
 * Writes layers as images. All but the lowest are written by themselves: their effect on those below shows when they
 * are mounted.
 */
function unpackImages(cell: Cell, layers: readonly AttackLayer[], give: Feed): undefined {
  layers.forEach((members, at) => {
    const lower = at === 0 ? lowerView([]) : undefined;
    const writer = createErofsWriter({ path: `${cell.root(0)}/${at}.erofs`, limits: DEFAULT_LIMITS, lower });
    try {
      give(writer, members);
    } finally {
      writer.close();
    }
  });
}

const FORMS: readonly (readonly [form: string, unpack: Unpack])[] = [
  ['stacked', unpackStack],
  ['merged', unpackMerged],
  ['images', unpackImages],
];

const isMember = (member: AttackLayer[number]): member is TarMember => !(member instanceof Uint8Array);

/** Attacks that no archive can carry: a name ends at a NUL, or is refused with it. */
const ENTRIES: readonly Attack[] = [
  { mechanism: 'name', name: 'name with NUL', layers: () => [[evil('a\0/../../secret')]], verdict: INVALID },
  {
    mechanism: 'symlink',
    name: 'symlink target with NUL',
    layers: (out) => [[symlink('l', `${out}\0x`)]],
    verdict: INVALID,
  },
];

describeWith(['root'], 'a layer that tries to leave its root', () => {
  it('does so by every mechanism', () => {
    expect(new Set(ATTACKS.map(({ mechanism }) => mechanism))).toEqual(new Set(MECHANISMS));
    expect(new Set(ATTACKS.map(({ name }) => name)).size).toBe(ATTACKS.length);
  });

  async function expectVerdict({ layers, verdict }: Attack, unpack: Unpack, give: Feed): Promise<void> {
    using cell = new Cell();
    const stack = layers(cell.outside);
    let tree: Tree | undefined;
    let refused: string | undefined;
    try {
      tree = unpack(cell, stack, give);
    } catch (error) {
      if (!(error instanceof SealiftError)) throw error;
      refused = error.code;
    }
    cell.assertUntouched();
    if ('confined' in verdict) {
      expect(refused).toBeUndefined();
      if (tree !== undefined) expect(tree).toMatchObject(verdict.confined(cell.outside));
    } else if (unpack !== unpackImages || stack.length === 1) {
      expect(refused).toBe(verdict.refused);
    }
  }

  for (const [form, unpack] of FORMS) {
    it.each(ATTACKS)(`$mechanism, $name: as the table says (${form})`, (attack) =>
      expectVerdict(attack, unpack, readArchive),
    );

    const withoutHeaders = ATTACKS.filter(({ layers }) => layers('/o').flat().every(isMember));
    it.each([...withoutHeaders, ...ENTRIES])(`$mechanism, $name: as the table says (${form}, entries)`, (attack) =>
      expectVerdict(attack, unpack, feedEntries),
    );
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
    expect(
      unpackStack(cell, [[dir('d'), file('d/secret', 'mine'), symlink('l', 'd'), file('l/more', 'm')]], readArchive),
    ).toEqual({
      d: 'directory 755',
      'd/secret': 'file 644 mine',
      'd/more': 'file 644 m',
      l: 'symlink d',
    });
  });
});
