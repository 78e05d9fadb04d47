import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { DEFAULT_LIMITS, PlanMemory } from '../../../src/limits/index.ts';
import { planUpper, type StackedLayer } from '../../../src/snapshot/plan-upper.ts';
import type { LayerNodeKind } from '../../../src/snapshot/types.ts';

/** What a layer has at a path: `implied`, `emptied` (opaque) and `cut` directories have no entry of their own. */
type Node = Exclude<LayerNodeKind, 'absent'> | 'opaque-directory' | 'implied' | 'emptied' | 'cut';

const ENTRYLESS: readonly (Node | undefined)[] = ['implied', 'emptied', 'cut'];

/** A root that is not mentioned is implied, as in most layers. */
function layer(nodes: Readonly<Record<string, Node>>): StackedLayer {
  const all: Readonly<Record<string, Node>> = { '': 'implied', ...nodes };
  const lookup = (path: ByteString): LayerNodeKind | 'opaque-directory' => {
    // The contract requires that every parent of the path is a directory of this layer.
    for (let at: string = path; at !== ''; ) {
      at = at.slice(0, Math.max(at.lastIndexOf('/'), 0));
      expect(['directory', 'opaque-directory', ...ENTRYLESS], `parent "${at}" of "${path}"`).toContain(all[at]);
    }
    const node = all[path];
    if (node === 'implied') return 'directory';
    if (node === 'cut' || node === 'emptied') return 'opaque-directory';
    return node ?? 'absent';
  };
  return {
    implied: () =>
      Object.entries(all)
        .filter(([, node]) => ENTRYLESS.includes(node))
        .map(([path, node]) => ({ path: path as ByteString, cut: node === 'cut' })),
    isOpaque: (path) => lookup(path) === 'opaque-directory',
    children: (directory, names) =>
      [...names.keys()].map((name) => {
        const node = lookup((directory === '' ? name : `${directory}/${name}`) as ByteString);
        return [name, node === 'opaque-directory' ? 'directory' : node] as const;
      }),
  };
}

/** `path ← layer`, bottom layer 0; `-` for defaults. */
function plan(...layers: StackedLayer[]): string[] {
  const planned: string[] = [];
  const { each } = planUpper(layers, new PlanMemory(DEFAULT_LIMITS));
  each(({ path, source }) => planned.push(`${path || '/'} ← ${source ?? '-'}`));
  return planned;
}

describe('planUpper', () => {
  it('gives the root defaults when no layer names it', () => {
    expect(plan()).toEqual(['/ ← -']);
    expect(plan(layer({}))).toEqual(['/ ← -']);
  });

  it('gives the root the attributes of the topmost layer that names it', () => {
    expect(plan(layer({ '': 'directory' }), layer({ '': 'directory' }), layer({}))).toEqual(['/ ← 1']);
  });

  it('takes an implied directory from the layer below that names it', () => {
    expect(plan(layer({ tmp: 'directory' }), layer({ tmp: 'implied' }))).toEqual(['/ ← -', 'tmp ← 0']);
  });

  it('takes it from the topmost of several', () => {
    const named = () => layer({ tmp: 'directory' });
    const implied = () => layer({ tmp: 'implied' });
    expect(plan(named(), named(), implied(), implied())).toEqual(['/ ← -', 'tmp ← 1']);
  });

  it('does nothing where the topmost layer names it itself', () => {
    expect(plan(layer({ tmp: 'directory' }), layer({ tmp: 'implied' }), layer({ tmp: 'directory' }))).toEqual([
      '/ ← -',
    ]);
  });

  it('does nothing for a directory that no layer names', () => {
    expect(plan(layer({ opt: 'implied' }), layer({ opt: 'implied' }))).toEqual(['/ ← -']);
  });

  it('makes the ancestors too, each with the attributes of its own layer, or defaults', () => {
    const bottom = layer({ '': 'directory', a: 'implied', 'a/b': 'directory', 'a/b/c': 'directory' });
    const middle = layer({ a: 'implied', 'a/b': 'directory' });
    const top = layer({ a: 'implied', 'a/b': 'implied', 'a/b/c': 'implied' });
    expect(plan(bottom, middle, top)).toEqual(['/ ← 0', 'a ← -', 'a/b ← 1', 'a/b/c ← 0']);
  });

  it('takes an ancestor from a layer that names it above', () => {
    const bottom = layer({ a: 'directory', 'a/b': 'directory' });
    const top = layer({ a: 'directory', 'a/b': 'implied' });
    expect(plan(bottom, top)).toEqual(['/ ← -', 'a ← 1', 'a/b ← 0']);
  });

  it.each<[string, StackedLayer[]]>([
    ['the implied directory hides what lies below', [layer({ tmp: 'directory' }), layer({ tmp: 'cut' })]],
    [
      'an opaque directory above hides it',
      [layer({ a: 'directory', 'a/b': 'directory' }), layer({ a: 'opaque-directory', 'a/b': 'implied' })],
    ],
    [
      'a whiteout in between removed it',
      [layer({ tmp: 'directory' }), layer({ tmp: 'whiteout' }), layer({ tmp: 'implied' })],
    ],
    [
      'a whiteout in between removed its parent',
      [
        layer({ a: 'directory', 'a/b': 'directory' }),
        layer({ a: 'whiteout' }),
        layer({ a: 'directory', 'a/b': 'implied' }),
      ],
    ],
    [
      'a file in between replaced it',
      [layer({ tmp: 'directory' }), layer({ tmp: 'other' }), layer({ tmp: 'implied' })],
    ],
    ['a file above replaces it', [layer({ tmp: 'directory' }), layer({ tmp: 'implied' }), layer({ tmp: 'other' })]],
    [
      'a whiteout above removes it',
      [layer({ tmp: 'directory' }), layer({ tmp: 'implied' }), layer({ tmp: 'whiteout' })],
    ],
    ['an opaque root above hides all', [layer({ tmp: 'directory' }), layer({ '': 'cut', tmp: 'implied' })]],
    ['the layer below has a file there', [layer({ tmp: 'other' }), layer({ tmp: 'implied' })]],
  ])('does nothing when %s', (_, layers) => {
    expect(plan(...layers)).toEqual(['/ ← -']);
  });

  it('keeps the attributes of a directory that a layer has only emptied', () => {
    const below = layer({ '': 'directory', tmp: 'directory', 'tmp/x': 'directory' });
    const emptied = layer({ tmp: 'emptied' });
    expect(plan(below, emptied)).toEqual(['/ ← 0', 'tmp ← 0']);
    expect(plan(below, emptied, layer({ tmp: 'implied', 'tmp/x': 'implied' }))).toEqual(['/ ← 0', 'tmp ← 0']);
    expect(plan(below, layer({ '': 'emptied', tmp: 'implied' }))).toEqual(['/ ← 0']);
    expect(plan(below, layer({ tmp: 'whiteout' }), emptied)).toEqual(['/ ← 0']);
  });

  it('takes a directory from the layer that is opaque there, and from none below', () => {
    expect(plan(layer({ tmp: 'directory' }), layer({ tmp: 'opaque-directory' }), layer({ tmp: 'implied' }))).toEqual([
      '/ ← -',
      'tmp ← 1',
    ]);
  });

  it('sees a directory that came back after a whiteout', () => {
    const layers = [{ tmp: 'directory' }, { tmp: 'whiteout' }, { tmp: 'directory' }, { tmp: 'implied' }] as const;
    expect(plan(...layers.map((nodes) => layer(nodes)))).toEqual(['/ ← -', 'tmp ← 2']);
  });

  it('lists parents before their children, whatever the order of facts', () => {
    const bottom = layer({ 'a/b/c': 'directory', 'a/b': 'directory', a: 'directory', 'a.d': 'directory' });
    const top = layer({ 'a/b/c': 'implied', 'a.d': 'implied', 'a/b': 'implied', a: 'implied' });
    expect(plan(bottom, top)).toEqual(['/ ← -', 'a ← 0', 'a/b ← 0', 'a/b/c ← 0', 'a.d ← 0']);
  });
});
