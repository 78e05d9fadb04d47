import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { withReachablePath } from '../../../src/platform/index.ts';
import { createDirectoryWriter, createErofsWriter, type LayerFacts } from '../../../src/unpack/index.ts';
import { feed } from '../../support/builders/entries.ts';
import { lowerView } from '../../support/builders/lower-view.ts';
import { dir, fifo, file, hardlink, symlink, type TarMember, whiteout } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { compareOutcomes, mountBundle, unpackMerged } from '../../support/oracles/image-trees.ts';

/** A directory whose path has 4093 bytes: names in it of one or two bytes end at PATH_MAX. */
const DEEP = ['d'.repeat(253), ...Array.from({ length: 15 }, () => 'd'.repeat(255))].join('/');
const LONG: readonly TarMember[] = [
  dir(DEEP, { mode: 0o750, uid: 3, gid: 4, xattrs: { 'trusted.note': '1' } }),
  file(`${DEEP}/f`, 'content', { mode: 0o640, uid: 5, xattrs: { 'trusted.note': '2' } }),
  hardlink(`${DEEP}/h`, `${DEEP}/f`),
  symlink(`${DEEP}/l`, 'f'),
  fifo(`${DEEP}/p`),
  file(`${DEEP}/g`, 'first'),
  file(`${DEEP}/g`, 'replaced'),
];

const openOverlay = (root: string, lowers: readonly string[] = []) => {
  mkdirSync(root);
  const lower = lowers.length === 0 ? undefined : lowerView(lowers);
  return createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS });
};
const openMerged = (root: string) => {
  mkdirSync(root);
  return createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS });
};
const openImage = (path: string, lower?: string) =>
  createErofsWriter({
    path,
    limits: DEFAULT_LIMITS,
    lower: lower === undefined ? undefined : lowerView([lower]),
  });

function apply(writer: ReturnType<typeof openMerged | typeof openImage>, members: readonly TarMember[]): LayerFacts {
  try {
    feed(writer, members);
    return writer.facts();
  } finally {
    writer.close();
  }
}

const stat = (root: string, path: string) => withReachablePath(`${root}/${path}`, (at) => lstatSync(at));

describeWith(['root'], 'paths that end at PATH_MAX inside the layer', () => {
  it.each([
    ['overlay', openOverlay],
    ['merged', openMerged],
  ])('are made in a directory of the %s form, wherever it lies', (_, open) => {
    using scratch = new Scratch();
    const root = scratch.join('layer');
    expect(`${root}/${DEEP}/f`.length).toBeGreaterThan(4095);
    apply(open(root), LONG);
    expect(stat(root, DEEP)).toMatchObject({ mode: 0o040750, uid: 3, gid: 4, mtimeMs: 1_600_000_000_123.456_8 });
    expect(stat(root, `${DEEP}/f`)).toMatchObject({ mode: 0o100640, uid: 5, size: 7, nlink: 2 });
    expect(stat(root, `${DEEP}/h`).ino).toBe(stat(root, `${DEEP}/f`).ino);
    expect(withReachablePath(`${root}/${DEEP}/l`, (at) => readlinkSync(at))).toBe('f');
    expect(stat(root, `${DEEP}/p`).isFIFO()).toBe(true);
    expect(stat(root, `${DEEP}/g`).size).toBe(8);
  });

  it('are the same facts as in an image', () => {
    using scratch = new Scratch();
    const facts = apply(openImage(scratch.join('layer.erofs')), LONG);
    expect(apply(openOverlay(scratch.join('layer')), LONG)).toEqual(facts);
  });

  it('are seen in the layers below, linked to and hidden', () => {
    using scratch = new Scratch();
    const below = scratch.join('below');
    apply(openOverlay(below), LONG);
    expect(lowerView([below]).lookup(`${DEEP}/l` as ByteString)).toMatchObject({ type: 'symlink', target: 'f' });
    const links = [hardlink('again', `${DEEP}/f`)];
    const top = scratch.join('top');
    const facts = apply(openOverlay(top, [below]), links);
    expect(stat(top, `${DEEP}/h`)).toMatchObject({ size: 7, nlink: 3, uid: 5 });
    expect(apply(openImage(scratch.join('top.erofs'), below), links)).toEqual(facts);
  });
});

describeWith(['root'], 'paths that end at PATH_MAX, in a bundle', () => {
  it.each(['directory', 'erofs'] as const)('are the same as unpacked, from layers in the form %s', (form) => {
    using scratch = new Scratch();
    // The parents of the second layer are implied: they are looked up below, and made in the upper.
    const layers = [LONG, [file(`${DEEP}/n`, 'new')], [hardlink('again', `${DEEP}/f`), whiteout(`${DEEP}/l`)]];
    const merged = unpackMerged(scratch.join('merged'), layers);
    expect(compareOutcomes(mountBundle(scratch.join('bundle'), layers, { form }), merged)).toEqual([]);
    expect('tree' in merged && merged.tree.get(`${DEEP}/n`)).toContain(' new ');
  });
});

describe('a path or name beyond what the kernel takes', () => {
  const beyond: readonly (readonly [what: string, members: readonly TarMember[]])[] = [
    ['a path', [symlink('s', DEEP), file(`s/${'x'.repeat(3)}`)]],
    ['a directory', [symlink('s', DEEP), file('s/xyz/f')]],
    ['a name', [symlink('s', 'n'.repeat(256)), file('s/f')]],
    ['a hard link', [file('f'), symlink('s', DEEP), hardlink('s/xyz', 'f')]],
    ['a link target', [symlink('s', 'n'.repeat(4096))]],
  ];

  it.each(beyond)('is refused in every form: %s', async (_, members) => {
    using scratch = new Scratch();
    await expectFailure('UNPACK_ENTRY_INVALID', () => apply(openImage(scratch.join('layer.erofs')), members));
    const root = scratch.join('merged');
    mkdirSync(root);
    const merged = createDirectoryWriter({ root, form: 'merged', privileged: false, limits: DEFAULT_LIMITS });
    await expectFailure('UNPACK_ENTRY_INVALID', () => apply(merged, members));
  });

  it('hides nothing in a mark', () => {
    using scratch = new Scratch();
    const members = [symlink('s', DEEP), file('s/.wh.xyz')];
    expect(apply(openImage(scratch.join('layer.erofs')), members).marked).toEqual([]);
  });
});
