import { lstatSync, mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { mount, umount } from '../../../src/platform/index.ts';
import { createDirectoryWriter } from '../../../src/unpack/index.ts';
import { feed, listTree } from '../../support/builders/entries.ts';
import { lowerView } from '../../support/builders/lower-view.ts';
import { dir, fifo, file, hardlink, symlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

/** Few names, so that entries replace each other, lie below each other and lead through each other's links. */
const name = fc.constantFrom('a', 'b', 'c', 'dir', 'lib');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const target = fc.tuple(fc.constantFrom('', '/', '../', '../../'), path).map((parts) => parts.join(''));
const mode = fc.constantFrom(0o644, 0o755, 0o4711, 0o1777);
const content = fc.string({ maxLength: 8 });

const mark = fc.tuple(path, fc.boolean()).map(([at, opaque]) => {
  const slash = at.lastIndexOf('/') + 1;
  return file(opaque ? `${at}/.wh..wh..opq` : `${at.slice(0, slash)}.wh.${at.slice(slash)}`);
});

const entry: fc.Arbitrary<TarMember> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(path, content, mode).map(([at, text, bits]) => file(at, text, { mode: bits })) },
  { weight: 4, arbitrary: fc.tuple(path, mode).map(([at, bits]) => dir(at, { mode: bits })) },
  { weight: 2, arbitrary: fc.tuple(path, target).map(([at, to]) => symlink(at, to)) },
  { weight: 2, arbitrary: fc.tuple(path, path).map(([at, to]) => hardlink(at, to)) },
  { weight: 1, arbitrary: path.map((at) => fifo(at)) },
  { weight: 2, arbitrary: mark },
);
/** Layers, of which the first has an entry for the root and two entries in it. */
const layers = fc
  .array(fc.array(entry, { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 3 })
  .map((upper) => [[dir('.'), dir('dir'), symlink('lib', 'dir')], ...upper]);

type Outcome = Record<string, string> | { readonly refused: string };

function outcome(unpack: () => Record<string, string>): Outcome {
  try {
    return unpack();
  } catch (error) {
    if (error instanceof SealiftError && error.code !== 'INTERNAL') return { refused: error.code };
    throw error;
  }
}

function merge(root: string, stack: readonly (readonly TarMember[])[]): Record<string, string> {
  mkdirSync(root);
  const writer = createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS });
  stack.forEach((members, at) => {
    if (at > 0) writer.beginLayer();
    feed(writer, members);
  });
  return listNodes(root);
}

/**
 * Lists every node with its other names. The mode of directories is omitted: those that a layer implies have that
 * layer's 0755 until the snapshot prepares its upper.
 */
function listNodes(root: string): Record<string, string> {
  const tree = Object.entries(listTree(root));
  const names = Map.groupBy(tree, ([at]) => lstatSync(`${root}/${at}`).ino);
  const linked = (at: string) =>
    names
      .get(lstatSync(`${root}/${at}`).ino)
      ?.map(([name]) => name)
      .sort()
      .join();
  return Object.fromEntries(
    tree.map(([at, what]) => [at, what.startsWith('directory ') ? 'directory' : `${what} = ${linked(at)}`]),
  );
}

function mountStack(scratch: Scratch, stack: readonly (readonly TarMember[])[]): Record<string, string> {
  const lowers = [scratch.join('empty')];
  mkdirSync(scratch.join('empty'));
  stack.forEach((members, at) => {
    const root = scratch.join(`layer-${at}`);
    mkdirSync(root);
    const lower = lowerView(lowers);
    feed(createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS }), members);
    lowers.unshift(root);
  });
  const mountPoint = scratch.join('mnt');
  mkdirSync(mountPoint);
  mount({ source: 'overlay', target: mountPoint, type: 'overlay', data: `lowerdir=${lowers.join(':')}` });
  try {
    return listNodes(mountPoint);
  } finally {
    umount(mountPoint);
  }
}

describeWith(['root'], 'directory writer: the two forms', () => {
  it('show the same tree, or refuse with the same code, for layers that meet in every way', () => {
    const trees = new Set<string>();
    fc.assert(
      fc.property(layers, (stack) => {
        using scratch = new Scratch('forms');
        const merged = outcome(() => merge(scratch.join('merged'), stack));
        expect(outcome(() => mountStack(scratch, stack))).toEqual(merged);
        if (!('refused' in merged)) trees.add(JSON.stringify(merged));
      }),
    );
    expect(trees.size).toBeGreaterThan(10);
  });
});
