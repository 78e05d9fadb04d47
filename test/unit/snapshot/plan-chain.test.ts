import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { planChain } from '../../../src/snapshot/plan-chain.ts';
import type { LowerView } from '../../../src/unpack/index.ts';
import type { LowerNode } from '../../../src/unpack/types.ts';
import { expectFailure } from '../../support/matchers.ts';

type Nodes = Readonly<Record<string, LowerNode['type'] | { readonly target: string }>>;

/** A view that complains when it is asked about what lies behind a link, as its contract says. */
function view(nodes: Nodes): LowerView & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    lookup: (path) => {
      asked.push(path);
      const parents = path.split('/').map((_, index, parts) => parts.slice(0, index).join('/'));
      for (const parent of parents.slice(1)) expect(nodes[parent], `parent ${parent}`).toBe('directory');
      const node = nodes[path];
      if (node === undefined) return undefined;
      if (typeof node === 'string') return { type: node, realPath: `/below/${path}` as ByteString };
      return { type: 'symlink', realPath: `/below/${path}` as ByteString, target: node.target as ByteString };
    },
    linksOf: () => [],
  };
}

function facts(
  implied: readonly string[],
  cut: readonly string[] = [],
  links: readonly [string, string][] = [],
  marked: readonly string[] = [],
  traversed: readonly string[] = [],
) {
  return {
    implied: implied.map((path) => ({ path: path as ByteString, cut: cut.includes(path) })),
    traversed: traversed.map((path) => path as ByteString),
    unresolvedLinks: links.map(([path, target]) => ({ path: path as ByteString, target: target as ByteString })),
    marked: marked.map((path) => path as ByteString),
  };
}

const INDEPENDENT = { kind: 'independent' };

describe('planChain', () => {
  it.each<[string, ReturnType<typeof facts>, Nodes]>([
    ['it implies nothing', facts([]), { lib: { target: 'usr/lib' } }],
    ['only its root is implied', facts(['']), {}],
    ['its parents are directories below', facts(['usr', 'usr/lib']), { usr: 'directory', 'usr/lib': 'directory' }],
    ['its parents are absent below', facts(['opt', 'opt/app']), { usr: 'directory' }],
    ['it hides the symlink that is its parent', facts(['lib'], ['lib']), { lib: { target: 'usr/lib' } }],
    ['it hides a symlink above its parent', facts(['a', 'a/b'], ['a', 'a/b']), { a: { target: 'x' } }],
    ['its marks are where directories are below', facts(['a'], [], [], ['a', 'b']), { a: 'directory', b: 'directory' }],
    ['its root is marked', facts([''], [], [], ['']), {}],
    ['it hides the file that is its parent', facts(['lib'], ['lib']), { lib: 'other' }],
    // lib itself has an entry, so it is not implied: a real directory replaces the link.
    ['it replaces the symlink above its parent by a directory', facts(['lib/x']), { lib: { target: 'usr/lib' } }],
    ['it replaces the file above its parent by a directory', facts(['lib/x']), { lib: 'other' }],
  ])('finds a layer independent when %s', (_, layer, nodes) => {
    expect(planChain(layer, view(nodes))).toEqual(INDEPENDENT);
  });

  it('wants the chain when an implied parent is a symlink below', () => {
    expect(planChain(facts(['lib']), view({ lib: { target: 'usr/lib' } }))).toEqual({
      kind: 'needs-chain',
      reasons: [{ kind: 'symlinked-parent', path: 'lib', target: 'usr/lib' }],
    });
  });

  it('names the component that is the link, once, whatever lies behind', () => {
    const layer = facts(['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/e']);
    const below = view({ a: 'directory', 'a/b': { target: '/x' } });
    expect(planChain(layer, below)).toMatchObject({ reasons: [{ path: 'a/b', target: '/x' }] });
    expect(below.asked).toEqual(['a', 'a/b']);
  });

  it('finds a link under a directory that the layer has an entry for', () => {
    const layer = facts(['usr/lib']);
    const nodes: Nodes = { usr: 'directory', 'usr/lib': { target: 'lib64' } };
    expect(planChain(layer, view(nodes))).toMatchObject({ reasons: [{ path: 'usr/lib' }] });
  });

  it('wants the chain when a directory that it implied and then replaced, named or hid is a symlink below', () => {
    const layer = facts(['', 'lib'], ['lib'], [], [], ['lib']);
    expect(planChain(layer, view({ lib: { target: 'usr/lib' } }))).toEqual({
      kind: 'needs-chain',
      reasons: [{ kind: 'symlinked-parent', path: 'lib', target: 'usr/lib' }],
    });
    expect(planChain(layer, view({ lib: 'directory' }))).toEqual(INDEPENDENT);
    expect(planChain(layer, view({}))).toEqual(INDEPENDENT);
  });

  it('does not depend on the order of what is implied', () => {
    const nodes: Nodes = { a: 'directory', 'a/b': { target: 'x' } };
    const layer = facts(['a/b/c', 'a/b', 'a']);
    expect(planChain(layer, view(nodes))).toMatchObject({ reasons: [{ path: 'a/b' }] });
  });

  it.each<[string, Nodes]>([
    ['nothing', {}],
    ['nothing in a directory', { a: 'directory' }],
    ['a file', { a: 'directory', 'a/b': 'other' }],
  ])('wants the chain when marks find %s below', (_, nodes) => {
    const layer = facts(['a'], [], [], ['a/b']);
    expect(planChain(layer, view(nodes))).toEqual({
      kind: 'needs-chain',
      reasons: [{ kind: 'idle-marks', path: 'a/b' }],
    });
  });

  it('wants the chain for a hard link into a lower layer', () => {
    expect(planChain(facts([], [], [['bin/a', 'bin/b']]), view({}))).toEqual({
      kind: 'needs-chain',
      reasons: [{ kind: 'unresolved-link', path: 'bin/a', target: 'bin/b' }],
    });
  });

  it('gives all reasons', () => {
    const layer = facts(['lib', 'sbin'], [], [['x', 'y']]);
    const plan = planChain(layer, view({ lib: { target: 'usr/lib' }, sbin: { target: 'usr/sbin' } }));
    expect(plan).toMatchObject({ reasons: [{ kind: 'unresolved-link' }, { path: 'lib' }, { path: 'sbin' }] });
  });

  it('refuses a parent that is neither directory nor symlink below', async () => {
    const error = await expectFailure('UNPACK_ENTRY_INVALID', () =>
      planChain(facts(['etc', 'etc/pass\u00ffwd']), view({ etc: 'directory', 'etc/pass\u00ffwd': 'other' })),
    );
    expect(error.message).toContain('etc/pass\\xffwd');
  });

  it('leaves the decision about such a parent to the writer when entries may belong elsewhere', () => {
    const layer = facts(['a', 'lib']);
    const plan = planChain(layer, view({ a: 'other', lib: { target: 'usr/lib' } }));
    expect(plan).toEqual({
      kind: 'needs-chain',
      reasons: [{ kind: 'symlinked-parent', path: 'lib', target: 'usr/lib' }],
    });
  });

  it('refuses a replaced parent that is a file below', async () => {
    await expectFailure('UNPACK_ENTRY_INVALID', () =>
      planChain(facts([''], [], [], [], ['etc']), view({ etc: 'other' })),
    );
  });

  it('keeps the first few of many reasons', () => {
    const paths = Array.from({ length: 100 }, (_, index) => `lib-${index}`);
    const target = '/'.repeat(4_095);
    const links = Object.fromEntries(paths.map((path) => [path, { target }]));
    for (const layer of [facts(paths), facts([], [], [], paths)]) {
      const plan = planChain(layer, layer.marked.length > 0 ? view({}) : view(links));
      expect(plan).toMatchObject({
        kind: 'needs-chain',
        reasons: { length: 8, 0: { path: 'lib-0' }, 7: { path: 'lib-7' } },
      });
    }
  });

  it('looks at every directory once', () => {
    const paths = Array.from({ length: 1_000 }, (_, index) => `a/b/c/${index}`);
    const below = view({ a: 'directory', 'a/b': 'directory', 'a/b/c': 'directory' });
    planChain(facts(paths), below);
    expect(below.asked).toHaveLength(1_003);
  });
});
