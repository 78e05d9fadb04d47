import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MNT, mount, umount } from '../../src/platform/index.ts';
import type { LayerFacts } from '../../src/unpack/index.ts';
import { describeImage, type ImageLayers, randomImage } from '../support/builders/random-image.ts';
import { dir, file, opaque, symlink, type TarMember, whiteout } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import {
  type BundleOptions,
  compareOutcomes,
  mountBundle,
  readLines,
  type TreeOutcome,
  unpackMerged,
} from '../support/oracles/image-trees.ts';
import { unpackLayersWithUmoci } from '../support/oracles/umoci.ts';
import { IS_SOAK } from '../support/soak.ts';

/** The images that are mounted as directories: about 2 ms of CPU time each. */
const IMAGES = IS_SOAK ? 100_000 : 300;
/** Mounts of images take 10 ms for each layer, and umoci takes 50 ms. */
const [EROFS_IMAGES, UMOCI_IMAGES] = IS_SOAK ? [1_000, 1_000] : [8, 12];
/** `make fuzz` counts seconds and not images. */
const IS_FUZZ = process.env['SEALIFT_FUZZ_SECONDS'] !== undefined;
const FOLDERS_PER_DISK = 100;

/** A tmpfs of its own for each hundred images, because unmounting it is faster than removing what is in it. */
class Folders {
  readonly #scratch = new Scratch('image-trees');
  #made = 0;
  #isMounted = false;

  next(): string {
    if (this.#made % FOLDERS_PER_DISK === 0) this.#renew();
    this.#made += 1;
    const folder = this.#scratch.join(String(this.#made));
    mkdirSync(folder);
    return folder;
  }

  close(): void {
    this.#unmount();
    this.#scratch[Symbol.dispose]();
  }

  #renew(): void {
    this.#unmount();
    mount({ source: 'tmpfs', target: this.#scratch.path, type: 'tmpfs', data: 'mode=700' });
    this.#isMounted = true;
  }

  #unmount(): void {
    if (this.#isMounted) umount(this.#scratch.path, MNT.DETACH);
    this.#isMounted = false;
  }
}

let folders: Folders;

/** The differences between the tree of a bundle and the one that `--unpack` makes. */
function differences(layers: ImageLayers, options: BundleOptions): string[] {
  const folder = folders.next();
  return compareOutcomes(mountBundle(`${folder}/bundle`, layers, options), unpackMerged(`${folder}/merged`, layers));
}

function expectNone(found: readonly string[], layers: ImageLayers): void {
  expect(found, describeImage(layers).join('\n')).toEqual([]);
}

const counts = (numRuns: number) => (IS_FUZZ ? {} : { numRuns });

/** What the planner of the chain knows when it is asked only about the tree at the end of each layer. */
const atTheEnd = (facts: LayerFacts): LayerFacts => ({ ...facts, traversed: [] });

const LINKED = [dir('usr'), dir('usr/lib'), symlink('lib', 'usr/lib')];
const CASES: readonly (readonly [what: string, layer: readonly TarMember[], expected: readonly string[]])[] = [
  [
    'replaced by the same link',
    [file('lib/tool'), symlink('lib', 'usr/lib')],
    ['lib', 'usr', 'usr/lib', 'usr/lib/tool'],
  ],
  ['removed by a whiteout', [file('lib/tool'), whiteout('lib')], ['usr', 'usr/lib', 'usr/lib/tool']],
  ['hidden by an opaque mark', [file('lib/tool'), opaque('')], ['usr', 'usr/lib', 'usr/lib/tool']],
  ['replaced by a file', [file('lib/tool'), file('lib')], ['lib', 'usr', 'usr/lib', 'usr/lib/tool']],
  ['replaced by a directory', [file('lib/tool'), dir('lib')], ['lib', 'usr', 'usr/lib', 'usr/lib/tool']],
  [
    'left again by a link',
    [symlink('s', 'lib/../tools'), file('s/tool')],
    ['lib', 's', 'usr', 'usr/lib', 'usr/tools', 'usr/tools/tool'],
  ],
];

describeWith(['root'], 'the trees of an image', () => {
  beforeAll(() => {
    folders = new Folders();
  });
  afterAll(() => folders.close());

  it.each(CASES)('have a file where the link of a lower layer leads, and later is %s', (_, layer, expected) => {
    const layers = [LINKED, layer];
    for (const form of ['directory', 'erofs'] as const) {
      const bundle = mountBundle(`${folders.next()}/bundle`, layers, { form });
      expect(pathsOf(bundle), form).toEqual(['.', ...expected]);
    }
    expectNone(differences(layers, { form: 'directory' }), layers);
    expect(differences(layers, { form: 'directory', factsForPlan: atTheEnd })).not.toEqual([]);
  });

  it('are the same in a bundle and unpacked, or are refused with the same code', () => {
    let unpacked = 0;
    const sameTree = fc.property(randomImage, (layers) => {
      const folder = folders.next();
      const merged = unpackMerged(`${folder}/merged`, layers);
      expectNone(compareOutcomes(mountBundle(`${folder}/bundle`, layers, { form: 'directory' }), merged), layers);
      if ('tree' in merged) unpacked += 1;
    });
    fc.assert(sameTree, counts(IMAGES));
    expect(unpacked).toBeGreaterThan(IMAGES / 3);
  });

  it('are the same in a bundle of layer images', () => {
    const sameTree = fc.property(randomImage, (layers) => expectNone(differences(layers, { form: 'erofs' }), layers));
    fc.assert(sameTree, counts(EROFS_IMAGES));
  });

  it('differ among the first random images when the planner knows only the end of each layer', () => {
    const sameTree = fc.property(
      randomImage,
      (layers) => differences(layers, { form: 'directory', factsForPlan: atTheEnd }).length === 0,
    );
    // Three images of a hundred; the seed is fixed so that there are always some.
    expect(fc.check(sameTree, { numRuns: 300, seed: 1, endOnFailure: true }).failed).toBe(true);
  });
});

describeWith(['root', 'umoci'], 'the trees of an image, next to umoci', () => {
  beforeAll(() => {
    folders = new Folders();
  });
  afterAll(() => folders.close());

  it('are those of umoci where it accepts the image', async () => {
    let compared = 0;
    const sameTree = fc.asyncProperty(randomImage.map(withoutSetgid), async (layers) => {
      const folder = folders.next();
      const merged = unpackMerged(`${folder}/merged`, layers);
      const rootfs = await unpackLayersWithUmoci(folder, layers);
      if (rootfs === undefined || 'refused' in merged) return;
      compared += 1;
      const simplify = layers.some(hasMark) ? withoutDirectoryAttributes : withoutDirectoryTimes;
      expectNone(compareOutcomes(simplify(merged), simplify({ tree: readLines(rootfs) })), layers);
    });
    await fc.assert(sameTree, counts(UMOCI_IMAGES));
    expect(compared).toBeGreaterThan(UMOCI_IMAGES / 4);
  });
});

function pathsOf(outcome: TreeOutcome): readonly string[] {
  return 'tree' in outcome ? [...outcome.tree.keys()] : [outcome.refused];
}

/** Directories that umoci implies take the group of a setgid parent. */
function withoutSetgid(layers: ImageLayers): ImageLayers {
  const strip = ({ mode = 0o644, ...member }: TarMember): TarMember => ({ ...member, mode: mode & ~0o2000 });
  return layers.map((members) => members.map(strip));
}

function hasMark(members: readonly TarMember[]): boolean {
  return members.some(({ name }) => name.toString().includes('.wh.'));
}

/** umoci does not restore the times of directories whose contents a later layer changes. */
function withoutDirectoryTimes(outcome: TreeOutcome): TreeOutcome {
  return mapDirectories(outcome, (line) => line.replace(/ at \d+/, ''));
}

/** A directory that a layer implies and hides keeps the attributes of the hidden one in umoci. */
function withoutDirectoryAttributes(outcome: TreeOutcome): TreeOutcome {
  return mapDirectories(outcome, () => 'directory');
}

function mapDirectories(outcome: TreeOutcome, map: (line: string) => string): TreeOutcome {
  if ('refused' in outcome) return outcome;
  const lines = [...outcome.tree].map(
    ([path, line]) => [path, line.startsWith('directory ') ? map(line) : line] as const,
  );
  return { tree: new Map(lines) };
}
