import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tryLockFile } from '../../src/store/lock-file.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildRichLayers, loadRichImage, MANY_FILES } from '../support/builders/debian-image.ts';
import { type BuiltImage, type BuiltLayer, buildImage, buildLayer } from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { file, tar } from '../support/builders/tar-builder.ts';
import { loopsBelow } from '../support/machine/loops.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../support/oracles/tree.ts';
import type { LayerForm } from '../support/programs/pull-steps.ts';
import { runSealift, type SealiftResult } from '../support/programs/sealift-command.ts';
import { countFetches } from '../support/proxies/tamper-proxy.ts';
import { IS_SOAK } from '../support/soak.ts';
import { emptyContents, halvesOf, listContents } from '../support/stores/store-contents.ts';

const ROUNDS = IS_SOAK ? 20 : 1;
const FORMS: readonly LayerForm[] = ['erofs', 'directory'];
/** Two images that share their lower layers, and differ in the topmost. */
const NAMES = ['one', 'two'] as const;
type Name = (typeof NAMES)[number];

describeWith(['root', 'docker-registry', 'getfattr', 'dpkg-deb'], 'two processes on one store at once', () => {
  let bed: TestBed;
  const images = new Map<Name, BuiltImage>();
  const trees = new Map<Name, Tree>();

  beforeAll(async () => {
    bed = await TestBed.open();
    // Only layers that stand by themselves: others are fetched a second time on purpose.
    const shared = (
      await buildRichLayers(await loadRichImage(IS_SOAK ? [] : MANY_FILES), 'gzip', bed.scratch.path)
    ).slice(0, 2);
    for (const name of NAMES) await serve(name, shared);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  async function serve(name: Name, shared: readonly BuiltLayer[]): Promise<void> {
    const own = await buildLayer(tar([file('own', pseudoRandom(300_000, name))]), 'zstd', bed.scratch.path);
    const image = buildImage({ format: 'oci', layers: [...shared, own] });
    await bed.push('shared', name, image);
    const tree = bed.newPath('tree');
    expect((await bed.pull(`shared@${image.top.digest}`, ['--unpack', tree])).error).toBeUndefined();
    images.set(name, image);
    trees.set(name, await readTree(tree));
  }

  function imageOf(name: Name): BuiltImage {
    const image = images.get(name);
    if (image === undefined) throw new Error(`no image ${name}`);
    return image;
  }

  /** The blobs of all images, and how often each was fetched. */
  function fetches(): ReadonlyMap<string, number> {
    const digests = NAMES.flatMap((name) => imageOf(name).layers.map(({ digest }) => digest));
    return new Map(digests.map((digest) => [digest, countFetches(bed.proxy, digest)]));
  }

  /**
   * Holds the layer requests of all pulls until so many pulls have the manifest; otherwise the first could end too
   * soon.
   */
  function holdLayersUntil(pulls: number): void {
    let manifestsSeen = 0;
    const all = Promise.withResolvers<void>();
    bed.proxy.holdRequests(async (path) => {
      if (NAMES.some((name) => path.endsWith(`/manifests/${name}`))) {
        manifestsSeen += 1;
        if (manifestsSeen === pulls) all.resolve();
      }
      if (NAMES.some((name) => imageOf(name).layers.some(({ digest }) => path.endsWith(digest)))) await all.promise;
    });
  }

  describe.each(FORMS)('with layers in the form %s', (form) => {
    const env = { SEALIFT_STORE_LAYER_FORMAT: form };
    const rounds = Array.from({ length: ROUNDS }, (_, round) => round + 1);

    const pull = (name: Name, store: string, bundle: string) =>
      bed.pull(`shared:${name}`, ['--insecure-policy', '--store', store, '--bundle', bundle], { env });

    const manage = (store: string, ...parameters: readonly string[]) =>
      runSealift([...parameters, '--store', store], { env });

    async function expectTree(bundle: string, name: Name): Promise<void> {
      expect(mountsBelow(bundle)).toEqual([`${bundle}/rootfs`]);
      expect(compareTrees(await readTree(`${bundle}/rootfs`), trees.get(name) ?? new Map())).toEqual([]);
    }

    /** Removes both bundles at the same time as well. */
    async function expectAllGivenBack(store: string, bundles: readonly string[]): Promise<void> {
      const unmounted = await Promise.all(bundles.map((bundle) => manage(store, 'umount', bundle)));
      expect(unmounted.map(({ error }) => error)).toEqual(bundles.map(() => undefined));
      expect((await manage(store, 'prune', '--all')).error).toBeUndefined();
      expect(listContents(halvesOf(store))).toEqual(emptyContents(form));
      expect(mountsBelow(store)).toEqual([]);
      await expect.poll(() => [...loopsBelow(store)]).toEqual([]);
      const lock = tryLockFile(`${store}/state/lock/store`, 'exclusive');
      expect(lock, 'the lock of the store is free').toBeDefined();
      lock?.release();
      rmSync(store, { recursive: true });
    }

    // Every pull asks for the tag, so the test sees each of them begin.
    // The short run has them once for both forms.
    it.each(
      (IS_SOAK || form === 'erofs' ? rounds : []).flatMap((round) => [
        { round, what: 'the same image', names: ['one', 'one'] as const },
        { round, what: 'different images', names: ['one', 'two'] as const },
      ]),
    )('round $round: that pull $what download each layer once, and both are right', async ({ names }) => {
      const store = bed.newPath('store');
      const bundles = [bed.newPath('bundle'), bed.newPath('bundle')];
      bed.proxy.setRules([]);
      holdLayersUntil(names.length);
      const answers = await Promise.all(names.map((name, at) => pull(name, store, bundles[at] ?? '')));
      bed.proxy.holdRequests(undefined);

      expect(answers.map(({ error }) => error)).toEqual([undefined, undefined]);
      expect(answers.map(({ result }) => result['manifestDigest'])).toEqual(
        names.map((name) => imageOf(name).manifest.digest),
      );
      const wanted = new Set(names.flatMap((name) => imageOf(name).layers.map(({ digest }) => digest)));
      expect(fetches()).toEqual(new Map([...fetches().keys()].map((digest) => [digest, wanted.has(digest) ? 1 : 0])));
      for (const [at, name] of names.entries()) await expectTree(bundles[at] ?? '', name);
      await expectAllGivenBack(store, bundles);
    });

    it.each(rounds)('round %s: that pull, while others remove and prune, are right all the same', async (round) => {
      const store = bed.newPath('store');
      const bundles = [bed.newPath('bundle'), bed.newPath('bundle'), bed.newPath('bundle')] as const;
      // Gives the removal something to do: all that the pulls of this round need is in the store without a mount.
      expect((await pull('one', store, bundles[0])).error).toBeUndefined();
      expect((await manage(store, 'umount', bundles[0])).error).toBeUndefined();
      bed.proxy.setRules([]);
      const { digest } = imageOf('one').manifest;
      const [removal, ...answers] = await Promise.all([
        manage(store, 'rm', digest),
        pull('one', store, bundles[1]),
        pull('two', store, bundles[2]),
        manage(store, 'prune', ...((round + FORMS.indexOf(form)) % 2 === 0 ? ['--all'] : [])),
      ]);
      // A prune may have been first.
      expect(refusalOf(removal)).toBeOneOf([undefined, 'STORE_IMAGE_IN_USE', 'STORE_IMAGE_UNKNOWN']);
      expect(answers.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
      // A removal runs before or after a pull, never during one: no pull fetches what another has just fetched.
      for (const [blob, count] of fetches()) expect(count, blob).toBeLessThanOrEqual(1);
      await expectTree(bundles[1], 'one');
      await expectTree(bundles[2], 'two');
      const pruned = await manage(store, 'prune', '--all');
      expect(pruned.result).toMatchObject({ images: [], layers: [] });
      await expectTree(bundles[1], 'one');
      await expectTree(bundles[2], 'two');
      await expectAllGivenBack(store, bundles.slice(1));
    });
  });
});

function refusalOf({ error }: SealiftResult): string | undefined {
  return error?.code;
}
