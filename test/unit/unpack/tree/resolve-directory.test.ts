import { describe, expect, it, vi } from 'vitest';
import type { ByteString } from '../../../../src/bytes/index.ts';
import type { LowerView } from '../../../../src/unpack/index.ts';
import { resolveDirectory } from '../../../../src/unpack/tree/resolve-directory.ts';
import { createDirectoryNode, type DirectoryNode, type TrieNode } from '../../../../src/unpack/tree/trie.ts';
import type { LowerNode } from '../../../../src/unpack/types.ts';
import { bytes } from '../../../support/builders/entries.ts';
import { expectFailure } from '../../../support/matchers.ts';

const link = (target: string): TrieNode => ({ kind: 'symlink', layer: 0, target: bytes(target) });
const leaf: TrieNode = { kind: 'other', layer: 0 };

function tree(children: Record<string, TrieNode>): DirectoryNode {
  const node = createDirectoryNode(0);
  for (const [name, child] of Object.entries(children)) node.children.set(bytes(name), child);
  return node;
}

function resolve(path: string, root: DirectoryNode, lower?: LowerView): ByteString | undefined {
  const components = path.split('/').map(bytes);
  return resolveDirectory(components, { root, lower, maxDepth: 100 }).at(-1)?.path;
}

function view(nodes: Record<string, Omit<LowerNode, 'realPath'>>): LowerView {
  return {
    lookup: (path) => {
      const node = nodes[path];
      return node === undefined ? undefined : { ...node, realPath: path };
    },
    linksOf: () => [],
  };
}

describe('resolveDirectory', () => {
  const root = tree({
    usr: tree({ lib: tree({}), up: link('..'), away: link('../../../../etc') }),
    lib: link('usr/lib'),
    absolute: link('/usr/lib'),
    root: link('/'),
    chain: link('lib'),
    dangling: link('not/yet/../there'),
    file: leaf,
  });

  it.each([
    ['usr/lib', 'usr/lib'],
    ['lib/x', 'usr/lib/x'],
    ['absolute/x', 'usr/lib/x'],
    ['chain/x', 'usr/lib/x'],
    ['usr/up/lib/x', 'usr/lib/x'],
    ['usr/away', 'etc'],
    ['root/root/root/usr', 'usr'],
    ['dangling/x', 'not/there/x'],
    ['new/dir', 'new/dir'],
  ])('leads %j to %j', (path, expected) => {
    expect(resolve(path, root)).toBe(expected);
  });

  it('refuses to go through a file', async () => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('file/x', root));
  });

  it.each([
    ['a link to itself', tree({ a: link('a') })],
    ['two links to each other', tree({ a: link('b'), b: link('a') })],
    ['a link that grows', tree({ a: link('a/a') })],
  ])('gives up on %s', async (_, looping) => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('a/x', looping));
  });

  it('follows 255 links and no more', async () => {
    const links = (count: number) =>
      tree(
        Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, link(at === 0 ? 'end' : `l${at - 1}`)])),
      );
    expect(resolve('l254/x', links(255))).toBe('end/x');
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('l255/x', links(256)));
  });

  it('stops at the depth limit, also when links make the path', async () => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('a/'.repeat(101), tree({})));
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('l/l', tree({ l: link('d/'.repeat(101)) })));
    expect(resolve(`${'a/'.repeat(99)}a`, tree({}))).toBe(`${'a/'.repeat(99)}a`);
  });

  it('bounds the work that links with long targets make', async () => {
    const spin = tree({ a: link(`${'b/../'.repeat(300)}a`) });
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('a/x', spin));
  });

  it('follows links of the layers below, where the layer itself has nothing', () => {
    const below = view({ 'usr/sbin': { type: 'symlink', target: bytes('bin') }, bin: { type: 'directory' } });
    expect(resolve('usr/sbin/x', root, below)).toBe('usr/bin/x');
    expect(resolve('bin/x', root, below)).toBe('bin/x');
  });

  it('prefers what the layer has over what lies below', () => {
    const below = view({ usr: { type: 'symlink', target: bytes('elsewhere') } });
    expect(resolve('usr/x', root, below)).toBe('usr/x');
  });

  it('refuses to go through a file of the layers below', async () => {
    const below = view({ etc: { type: 'other' } });
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('etc/x', root, below));
  });

  it('does not see below what the layer hides', () => {
    const below = view({
      gone: { type: 'symlink', target: bytes('elsewhere') },
      'opaque/link': { type: 'symlink', target: bytes('elsewhere') },
    });
    const opaque = Object.assign(createDirectoryNode(0), { opaque: true });
    const hiding = Object.assign(tree({ opaque }), { whiteouts: new Set([bytes('gone')]) });
    expect(resolve('gone/x', hiding, below)).toBe('gone/x');
    expect(resolve('opaque/link/x', hiding, below)).toBe('opaque/link/x');
  });
});

describe('resolveDirectory through links whose targets are as long as they may be', () => {
  /** A chain of links; `at` of a link is the place of the next one in its target. */
  function chain(at: 'first' | 'last', filler: string) {
    const long = Array.from({ length: 2_000 }, () => filler).join('/');
    const names = Array.from({ length: 200 }, (_, index) => `${index}`);
    const root = tree(
      Object.fromEntries(
        names.map((name) => [name, link(at === 'first' ? `${+name + 1}/${long}` : `${long}/${+name + 1}`)]),
      ),
    );
    const asked = vi.spyOn(root.children, 'get');
    return { root, asked };
  }

  it.each([
    ['first', 'y'],
    ['first', '..'],
    ['last', '.'],
    ['last', '..'],
    ['last', ''],
  ] as const)('stops at the first link: the next one is %s, among "%s"', async (at, filler) => {
    const { root, asked } = chain(at, filler);
    await expectFailure('UNPACK_ENTRY_INVALID', () => resolve('0/x', root));
    expect(asked.mock.calls.length).toBeLessThan(3);
  });
});
