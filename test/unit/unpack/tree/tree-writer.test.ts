import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import {
  finishOverlay,
  type LayerTree,
  type NodeMaker,
  type TreeName,
  TreeWriter,
  type TreeWriterOptions,
} from '../../../../src/unpack/tree/index.ts';
import { feed, toEntry } from '../../../support/builders/entries.ts';
import { block, char, dir, file, hardlink, symlink, type TarMember } from '../../../support/builders/tar-builder.ts';
import { expectFailure } from '../../../support/matchers.ts';

interface WriterOptions {
  readonly endLayer?: NodeMaker['endLayer'];
  readonly limits?: TreeWriterOptions['limits'];
}

/** A writer whose nodes are lines of text, in the order in which they are made. */
function openWriter(form: TreeWriterOptions['form'] = 'overlay', options: WriterOptions = {}) {
  const { endLayer, limits = DEFAULT_LIMITS } = options;
  const made: string[] = [];
  const createNodes = (tree: LayerTree): NodeMaker => {
    const make = (what: string, { parent, name }: TreeName): void => {
      made.push(`${what} ${parent.path}/${name}`);
      parent.node.children.set(name, { kind: 'other', layer: 0 });
    };
    const nodes: NodeMaker = {
      openFile: (at) => make('file', at),
      write: (chunk) => made.push(`${chunk.length} bytes`),
      finishFile: () => made.push('file finished'),
      makeSymlink: (at, target) => {
        make('symlink', at);
        at.parent.node.children.set(at.name, { kind: 'symlink', layer: 0, target });
      },
      makeDevice: (at, { type }) => make(type, at),
      copyLower: () => 0,
      makeWhiteout: (parent, name) => made.push(`whiteout ${parent.path}/${name}`),
      finishDirectory: () => {},
      beginLayer: () => made.push('next layer'),
      endLayer: endLayer ?? (() => (form === 'overlay' ? finishOverlay(tree, nodes) : [])),
      describeFailure: (error) => error,
      close: () => made.push('closed'),
    };
    return nodes;
  };
  const names = {
    makeDirectory: (path: string) => made.push(`directory /${path}`),
    removeDirectory: (path: string) => made.push(`gone /${path}/`),
    removeLeaf: (path: string) => made.push(`gone /${path}`),
    link: (from: string, to: string) => made.push(`link /${from} /${to}`),
  };
  const writer = new TreeWriter({ form, privileged: true, limits, names, createNodes });
  return { writer, made };
}

describe('TreeWriter', () => {
  it('makes each node in a directory that it made itself, parents first', () => {
    const { writer, made } = openWriter();
    feed(writer, [symlink('lib', 'usr/lib'), file('lib/libc.so', '1234567'), hardlink('libc', 'lib/libc.so')]);
    expect(made).toEqual([
      'symlink /lib',
      'directory /usr',
      'directory /usr/lib',
      'file usr/lib/libc.so',
      '5 bytes',
      '2 bytes',
      'file finished',
      'link /usr/lib/libc.so /libc',
    ]);
    expect(writer.facts()).toMatchObject({ entries: 3, contentBytes: 7, unresolvedLinks: [] });
  });

  it('removes what an entry replaces, with everything in it, before it makes the new node', () => {
    const { writer, made } = openWriter();
    feed(writer, [file('d/sub/f'), symlink('d', 'elsewhere')]);
    expect(made.slice(-4)).toEqual(['gone /d/sub/f', 'gone /d/sub/', 'gone /d/', 'symlink /d']);
  });

  it.each<[string, readonly TarMember[], string[]]>([
    ['replaced by a link', [file('lib/tool'), symlink('lib', 'usr/lib')], ['lib']],
    ['replaced by a file, together with what is in it', [file('a/b/f'), file('a')], ['a/b', 'a']],
    ['replaced again', [file('lib/tool'), file('lib'), dir('lib'), file('lib/tool')], ['lib']],
    ['left through a link', [symlink('s', 'x/../y'), file('s/f')], ['x']],
    ['left through a link by a mark', [symlink('s', 'x/../y'), file('s/.wh.f')], ['x']],
    ['left through a link by a hard link’s target', [file('y/f'), symlink('s', 'x/../y'), hardlink('l', 's/f')], ['x']],
    ['led through by a mark and replaced', [file('lib/.wh.tool'), symlink('lib', 'usr/lib')], ['lib']],
    ['named by an entry afterwards', [file('lib/tool'), dir('lib')], ['lib']],
    ['hidden afterwards', [file('lib/tool'), file('.wh.lib')], ['lib']],
    ['hidden afterwards with everything', [file('a/b/f'), file('.wh..wh..opq')], ['a', 'a/b']],
    ['made by a mark and hidden', [file('a/.wh.b'), file('.wh.a')], ['a']],
    ['still only implied', [file('lib/tool')], []],
    ['hidden before', [file('.wh.lib'), file('lib/tool'), file('lib')], []],
    ['in a directory that was hidden before', [file('d/.wh..wh..opq'), file('d/e/f'), file('d/e')], []],
    ['in a directory that replaced a file', [file('d'), dir('d'), file('d/e/f'), file('d/e')], []],
    ['described by an entry before', [dir('lib'), file('lib/tool'), symlink('lib', 'usr/lib')], []],
  ])('keeps note of a directory that it assumed below and that was %s', (_, members, traversed) => {
    const { writer } = openWriter();
    feed(writer, members);
    expect(writer.facts().traversed).toEqual(traversed);
  });

  it('keeps no such note where the tree has the layers below', () => {
    const { writer } = openWriter('merged');
    feed(writer, [file('lib/tool'), symlink('lib', 'usr/lib'), symlink('s', 'x/../y'), file('s/f')]);
    expect(writer.facts().traversed).toEqual([]);
  });

  const STRAY: readonly (readonly [what: string, members: readonly TarMember[], path: string])[] = [
    ['a parent is a file', [file('c'), symlink('lib/c', 'd'), file('c/f', 'content'), file('g')], 'c/f'],
    ['a mark’s parent is a file', [file('c'), symlink('lib/c', 'd'), file('c/.wh.f')], 'c/.wh.f'],
    ['links lead in a circle', [symlink('lib/a', 'a/b'), file('lib/a/f')], 'lib/a/f'],
    ['a hard link leads to a directory', [dir('c'), symlink('lib/c', 'd'), hardlink('l', 'c')], 'l'],
  ];

  it.each(STRAY)('goes no further when %s, but may be a link in the layers below', (_, members, path) => {
    const { writer, made } = openWriter();
    feed(writer, members);
    expect(made).not.toContain('file /g');
    expect(writer.facts()).toMatchObject({ entries: members.length, unresolvedLinks: [{ path }] });
  });

  it.each(STRAY)('refuses when %s and the layers below are known', async (_, members) => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => feed(openWriter('merged').writer, members));
  });

  it('resolves a parent again whose way leads over a name that the layer made since', () => {
    const { writer, made } = openWriter();
    feed(writer, [dir('p'), dir('p/q'), symlink('s', 'b/y/..'), dir('b'), symlink('s/y', '/p/q'), file('s/f')]);
    expect(made).toContain('file p/f');
  });

  it('counts the bytes of the paths that it notes', async () => {
    const { writer } = openWriter('overlay', { limits: { ...DEFAULT_LIMITS, maxRecordBytes: 100 } });
    const name = 'x'.repeat(20);
    const members = [1, 2, 3, 4, 5].map((at) => [symlink(`s${at}`, `${name}${at}/..`), file(`s${at}/f${at}`)]);
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => feed(writer, members.flat()));
    expect(error.context).toMatchObject({ limit: 'maxRecordBytes' });
  });

  it('hands the content of a mark to no node', () => {
    const { writer, made } = openWriter();
    feed(writer, [file('d/.wh.gone', 'content'), file('d/.wh..wh.plnk', 'content')]);
    expect(made).toEqual(['directory /d', 'whiteout d/gone']);
    expect(writer.facts()).toMatchObject({ contentBytes: 0, marked: ['d'], dropped: { 'aufs-metadata': 1 } });
  });

  it.each<[string, readonly TarMember[]]>([
    ['a root that is a file', [file('.')]],
    ['a root that is a symlink', [symlink('/', 'elsewhere')]],
    ['a parent that a symlink leads into aufs metadata', [symlink('d', '.wh..wh.plnk'), file('d/f')]],
    ['a parent that is a file', [file('d'), file('d/f')]],
    ['a hard link to a directory', [dir('d'), hardlink('l', 'd')]],
    ['a character device 0:0', [char('null', 0, 0)]],
    ['a device number beyond the kernel’s', [block('disk', 0x1000, 0)]],
  ])('refuses %s and closes its nodes', async (_, members) => {
    const { writer, made } = openWriter();
    await expectFailure('UNPACK_ENTRY_INVALID', () => feed(writer, members));
    expect(made.at(-1)).toBe('closed');
  });

  it('refuses calls out of order', async () => {
    const { writer } = openWriter('merged');
    const entry = toEntry(file('f', 'content'));
    await expectFailure('INTERNAL', () => writer.facts());
    await expectFailure('INTERNAL', () => writer.data(Buffer.from('x')));
    writer.entry(entry);
    await expectFailure('INTERNAL', () => writer.end());
    await expectFailure('INTERNAL', () => writer.data(Buffer.from('too much content')));
    writer.data(Buffer.from('content'));
    writer.end();
    await expectFailure('INTERNAL', () => writer.entry(entry));
    writer.beginLayer();
    await expectFailure('INTERNAL', () => openWriter('overlay').writer.beginLayer());
  });

  it('turns a failure at the end of a layer into the error that its nodes describe', async () => {
    const { writer } = openWriter('overlay', {
      endLayer: () => {
        throw new SealiftError('UNPACK_WRITE_FAILED', 'the disk is full');
      },
    });
    await expectFailure('UNPACK_WRITE_FAILED', () => writer.end());
  });
});
