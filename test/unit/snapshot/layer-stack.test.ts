import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { DEFAULT_LIMITS, PlanMemory } from '../../../src/limits/index.ts';
import { type LayerNodes, LayerStack, PathsToFind } from '../../../src/snapshot/layer-stack.ts';
import type { LayerNodeKind } from '../../../src/snapshot/types.ts';

interface CountedLayer extends LayerNodes {
  /** The directories that were read, in order. */
  readonly read: string[];
}

function layer(nodes: Readonly<Record<string, LayerNodeKind | 'opaque'>>): CountedLayer {
  const read: string[] = [];
  return {
    read,
    isOpaque: (path) => nodes[path] === 'opaque',
    children: (directory, names) => {
      read.push(directory);
      return [...names.keys()].flatMap((name) => {
        const node = nodes[directory === '' ? name : `${directory}/${name}`];
        return node === undefined ? [] : [[name, node === 'opaque' ? 'directory' : node] as const];
      });
    },
  };
}

function find(paths: readonly string[], layers: readonly LayerNodes[]): LayerStack {
  const wanted = new PathsToFind(new PlanMemory(DEFAULT_LIMITS));
  for (const path of paths) wanted.add(path as ByteString);
  const stack = new LayerStack(wanted);
  for (const each of layers) stack.add(each);
  return stack;
}

/** `kind of the topmost layer` at each path; `-` for nothing. */
function shown(paths: readonly string[], layers: readonly LayerNodes[]): readonly string[] {
  const stack = find(paths, layers);
  return paths.map((path) => {
    const node = stack.find(path as ByteString);
    return node === undefined ? '-' : `${node.kind} ${node.layer}`;
  });
}

const TREE = { a: 'directory', 'a/b': 'directory', 'a/b/c': 'other', 'a/l': 'symlink' } as const;
const PATHS = ['a', 'a/b', 'a/b/c', 'a/l'];

describe('LayerStack', () => {
  it.each<[string, Readonly<Record<string, LayerNodeKind | 'opaque'>>, readonly string[]]>([
    ['nothing', {}, ['directory 0', 'directory 0', 'other 0', 'symlink 0']],
    ['a directory', { a: 'directory' }, ['directory 1', 'directory 0', 'other 0', 'symlink 0']],
    ['an opaque directory', { a: 'opaque' }, ['directory 1', '-', '-', '-']],
    ['an opaque root', { '': 'opaque' }, ['-', '-', '-', '-']],
    ['a whiteout', { a: 'whiteout' }, ['-', '-', '-', '-']],
    ['a file', { a: 'other' }, ['other 1', '-', '-', '-']],
    ['a symlink', { a: 'symlink' }, ['symlink 1', '-', '-', '-']],
    ['a whiteout inside', { a: 'directory', 'a/b': 'whiteout' }, ['directory 1', '-', '-', 'symlink 0']],
    [
      'a directory instead of a symlink',
      { a: 'directory', 'a/l': 'directory' },
      ['directory 1', 'directory 0', 'other 0', 'directory 1'],
    ],
  ])('shows what overlayfs does with %s on top', (_, top, expected) => {
    expect(shown(PATHS, [layer(TREE), layer(top)])).toEqual(expected);
  });

  it('does not bring back what a whiteout removed', () => {
    expect(shown(PATHS, [layer(TREE), layer({ a: 'whiteout' }), layer({ a: 'directory' })])).toEqual([
      'directory 2',
      '-',
      '-',
      '-',
    ]);
  });

  it('reads each directory of each layer once, however many layers and paths there are', () => {
    const paths = Array.from({ length: 1_000 }, (_, at) => `d/${at}/x`);
    const layers = Array.from({ length: 100 }, () => layer({ d: 'directory' }));
    find(paths, layers);
    for (const { read } of layers) expect(read).toEqual(['', 'd']);
  });

  it('reads nothing of what no path leads to', () => {
    const tree = layer(TREE);
    find(['a/b'], [tree]);
    expect(tree.read).toEqual(['', 'a']);
  });

  it('takes paths in any order, and a path that is the parent of another', () => {
    for (const paths of [
      ['a/b/c', 'a/b', 'a'],
      ['a', 'a/b', 'a/b/c'],
    ]) {
      expect(new Set(shown(paths, [layer(TREE)]))).toEqual(new Set(['directory 0', 'other 0']));
    }
  });
});
