import { lstatSync, mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createDirectoryWriter, type LayerFacts } from '../../../src/unpack/index.ts';
import { feed, listTree, listXattrs } from '../../support/builders/entries.ts';
import { lowerView } from '../../support/builders/lower-view.ts';
import { char, dir, fifo, file, hardlink, symlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

/**
 * Applies each layer in overlay form on a view of the layers before it; returns the directory and facts of the last.
 */
function stack(scratch: Scratch, layers: readonly (readonly TarMember[])[]): { top: string; facts: LayerFacts } {
  const lowers: string[] = [];
  let facts: LayerFacts | undefined;
  layers.forEach((members, at) => {
    const root = scratch.join(String(at));
    mkdirSync(root);
    const lower = lowerView(lowers);
    const writer = createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS });
    try {
      feed(writer, members);
      facts = writer.facts();
    } finally {
      writer.close();
    }
    lowers.unshift(root);
  });
  const [top] = lowers;
  if (top === undefined || facts === undefined) throw new TypeError('at least one layer');
  return { top, facts };
}

describeWith(['root'], 'directory writer: a layer on the layers below it', () => {
  it('lands where the symlinked parent of a lower layer leads', () => {
    using scratch = new Scratch();
    const usr = [dir('usr'), dir('usr/lib'), file('usr/lib/z')];
    const below = [...usr, symlink('lib', 'usr/lib'), symlink('abs', '/usr')];
    const { top, facts } = stack(scratch, [below, [file('lib/x', 'x'), file('abs/lib/y', 'y'), file('lib/.wh.z')]]);
    expect(listTree(top)).toEqual({
      usr: 'directory 755',
      'usr/lib': 'directory 755',
      'usr/lib/x': 'file 644 x',
      'usr/lib/y': 'file 644 y',
      'usr/lib/z': 'whiteout',
    });
    expect(facts.implied.map(({ path }) => path)).toEqual(['', 'usr', 'usr/lib']);
  });

  it('replaces the symlink when it has an entry for the directory, and then stays in it', () => {
    using scratch = new Scratch();
    const below = [dir('usr'), symlink('lib', 'usr')];
    const { top } = stack(scratch, [below, [file('lib/a'), dir('lib'), file('lib/b')]]);
    expect(listTree(top)).toEqual({
      usr: 'directory 755',
      'usr/a': 'file 644 ',
      lib: 'directory 755',
      'lib/b': 'file 644 ',
    });
  });

  it('goes by what the middle layers hide', () => {
    using scratch = new Scratch();
    const { top } = stack(scratch, [[symlink('lib', 'usr')], [file('.wh.lib')], [file('lib/x')]]);
    expect(listTree(top)).toEqual({ lib: 'directory 755', 'lib/x': 'file 644 ' });
  });

  it('leaves out the other names of a linked file that lie where the layer put something else', () => {
    using scratch = new Scratch();
    const below = [file('f', '1'), dir('d'), hardlink('d/g', 'f'), dir('e'), hardlink('e/g', 'f')];
    const { top } = stack(scratch, [below, [file('d'), symlink('e', 'd'), hardlink('h', 'f')]]);
    expect(listTree(top)).toEqual({ d: 'file 644 ', e: 'symlink d', f: 'file 644 1', h: 'file 644 1' });
  });

  it('goes on where the layer by itself finds a file in the way', () => {
    using scratch = new Scratch();
    const layer = [file('c'), symlink('lib/c', 'd'), file('c/f', 'x')];
    const { top } = stack(scratch, [[symlink('lib', '.')], layer]);
    expect(listTree(top)).toEqual({ c: 'symlink d', d: 'directory 755', 'd/f': 'file 644 x' });
  });

  it('leaves out the other names of a linked file that lie where the link replaces a directory', () => {
    using scratch = new Scratch();
    const below = [file('f', '1'), dir('d'), dir('d/e'), hardlink('d/e/g', 'f'), dir('dd'), hardlink('dd/g', 'f')];
    const { top } = stack(scratch, [below, [hardlink('d', 'f')]]);
    expect(listTree(top)).toEqual({ d: 'file 644 1', dd: 'directory 755', 'dd/g': 'file 644 1', f: 'file 644 1' });
    expect(lstatSync(`${top}/f`).nlink).toBe(3);
  });

  it('does not follow the symlink that a hard link replaces', () => {
    using scratch = new Scratch();
    const below = [dir('d'), dir('d/e'), symlink('s', 'd/e'), file('f', 'right'), file('d/f', 'wrong')];
    const { top } = stack(scratch, [below, [symlink('up', 's/..'), hardlink('s', 'up/f')]]);
    expect(listTree(top)).toEqual({ f: 'file 644 right', s: 'file 644 right', up: 'symlink s/..' });
  });

  it('refuses a parent that is a file below', async () => {
    using scratch = new Scratch();
    await expectFailure('UNPACK_ENTRY_INVALID', () => stack(scratch, [[file('etc')], [file('etc/x')]]));
  });

  it('copies the file of a hard link into a lower layer, with all its attributes, to its own path', () => {
    using scratch = new Scratch();
    const attributes = { mode: 0o4750, uid: 3, gid: 4, xattrs: { 'user.a': 'b', 'trusted.c': 'd' } };
    const { top, facts } = stack(scratch, [
      [dir('bin'), file('bin/a', 'content', attributes)],
      [hardlink('b', 'bin/a'), hardlink('c', 'bin/a')],
    ]);
    expect(listTree(top)).toEqual({
      bin: 'directory 755',
      'bin/a': 'file 4750 content',
      b: 'file 4750 content',
      c: 'file 4750 content',
    });
    const [a, b, c] = ['bin/a', 'b', 'c'].map((name) => lstatSync(`${top}/${name}`, { bigint: true }));
    expect([b?.ino, c?.ino]).toEqual([a?.ino, a?.ino]);
    expect([a?.uid, a?.gid, a?.mtimeNs]).toEqual([3n, 4n, 1_600_000_000_123_456_789n]);
    expect(listXattrs(`${top}/b`)).toEqual({ 'trusted.c': 'd', 'user.a': 'b' });
    expect(facts).toMatchObject({ contentBytes: 7, unresolvedLinks: [] });
    expect(facts.implied).toContainEqual({ path: 'bin', cut: false });
  });

  it('copies links, devices and fifos likewise', () => {
    using scratch = new Scratch();
    const below = [symlink('l', 'any/where', { uid: 5 }), char('c', 5, 300, { mode: 0o620 }), fifo('p')];
    const { top } = stack(scratch, [below, [hardlink('l2', 'l'), hardlink('c2', 'c'), hardlink('p2', 'p')]]);
    expect(listTree(top)).toEqual({
      l: 'symlink any/where',
      l2: 'symlink any/where',
      c: 'char 620 5:300',
      c2: 'char 620 5:300',
      p: 'fifo 644',
      p2: 'fifo 644',
    });
    expect(lstatSync(`${top}/l`).uid).toBe(5);
    expect(lstatSync(`${top}/c2`).ino).toBe(lstatSync(`${top}/c`).ino);
  });

  it('takes every name that the file has below, so that the set of links stays one', () => {
    using scratch = new Scratch();
    const below = [file('a', 'x'), dir('d'), hardlink('d/b', 'a'), hardlink('gone', 'a'), hardlink('new', 'a')];
    const { top } = stack(scratch, [below, [file('.wh.gone'), file('new', 'n'), hardlink('c', 'a')]]);
    expect(listTree(top)).toEqual({
      a: 'file 644 x',
      c: 'file 644 x',
      d: 'directory 755',
      'd/b': 'file 644 x',
      gone: 'whiteout',
      new: 'file 644 n',
    });
    expect(lstatSync(`${top}/a`).nlink).toBe(3);
  });

  it('hides what it copied when a whiteout of it follows', () => {
    using scratch = new Scratch();
    const below = [dir('d'), file('d/a', 'x'), hardlink('d/b', 'd/a'), file('e', 'y')];
    const { top, facts } = stack(scratch, [
      below,
      [hardlink('c', 'd/a'), hardlink('f', 'e'), file('.wh.d'), file('.wh.e')],
    ]);
    expect(listTree(top)).toEqual({ c: 'file 644 x', f: 'file 644 y', d: 'whiteout', e: 'whiteout' });
    expect(facts.implied).toEqual([{ path: '', cut: false }]);
  });

  it('does not follow the copy of a symlink that it hides afterwards', () => {
    using scratch = new Scratch();
    const below = [dir('dir'), symlink('lib', 'dir'), symlink('dir/l', '/dir')];
    const layer = [
      hardlink('a', 'lib'),
      file('.wh.lib'),
      file('lib/x'),
      hardlink('b', 'dir/l'),
      file('dir/.wh..wh..opq'),
      file('dir/l/y'),
    ];
    const { top } = stack(scratch, [below, layer]);
    expect(listTree(top)).toEqual({
      a: 'symlink dir',
      lib: 'directory 755',
      'lib/x': 'file 644 ',
      b: 'symlink /dir',
      dir: 'directory 755',
      'dir/l': 'directory 755',
      'dir/l/y': 'file 644 ',
    });
  });

  it.each([
    ['nothing there', [file('a')], [hardlink('b', 'c')]],
    ['hidden by a middle layer', [file('a')], [hardlink('b', 'a')], [file('.wh.a')]],
    ['hidden by the layer itself', [file('a')], [file('.wh.a'), hardlink('b', 'a')]],
    ['a directory', [dir('a')], [hardlink('b', 'a')]],
    ['behind the symlink that the link replaces', [file('a'), symlink('b', '.')], [hardlink('b', 'b/a')]],
  ])('refuses a hard link whose target is not below: %s', async (_, below, layer, middle: TarMember[] = []) => {
    using scratch = new Scratch();
    await expectFailure('UNPACK_ENTRY_INVALID', () => stack(scratch, [below, middle, layer]));
  });

  it('leaves out marks where nothing lies below', () => {
    using scratch = new Scratch();
    const marks = [file('d/.wh.x'), file('d/.wh.none'), file('e/.wh.y'), file('f/g/.wh..wh..opq')];
    const { top } = stack(scratch, [[dir('d'), file('d/x')], marks]);
    expect(listTree(top)).toEqual({ d: 'directory 755', 'd/x': 'whiteout' });
  });
});
