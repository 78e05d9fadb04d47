import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildRichLayers, loadRichImage } from '../support/debian-image.ts';
import { type BuiltImage, buildImage } from '../support/image-builder.ts';
import { describeWith } from '../support/needs.ts';
import { countFetches } from '../support/tamper-proxy.ts';
import { TestBed } from '../support/test-bed.ts';
import { compareTrees, readTree } from '../support/tree.ts';

describeWith(
  ['root', 'docker-registry', 'getfattr', 'dpkg-deb'],
  'two processes that pull one image into one store',
  () => {
    let bed: TestBed;
    let image: BuiltImage;

    beforeAll(async () => {
      bed = await TestBed.open();
      // Only layers that stand by themselves: others are fetched a second time on purpose.
      const [base, plenty] = await buildRichLayers(await loadRichImage(), 'gzip', bed.scratch.path);
      if (base === undefined || plenty === undefined) throw new Error('the rich image has four layers');
      image = buildImage({ format: 'oci', layers: [base, plenty] });
      await bed.push('shared', 'latest', image);
    });

    afterAll(() => bed?.[Symbol.asyncDispose]());

    it('download each layer once, and both are right', async () => {
      const store = bed.newPath('store');
      const bundles = [bed.newPath('bundle'), bed.newPath('bundle')] as const;
      bed.proxy.setRules([]);
      holdLayersUntilBothKnowTheManifest();

      const pulls = bundles.map((bundle) =>
        bed.pull('shared:latest', ['--insecure-policy', '--store', store, '--bundle', bundle]),
      );
      const answers = await Promise.all(pulls);
      bed.proxy.holdRequests(undefined);

      expect(answers.map(({ error }) => error)).toEqual([undefined, undefined]);
      expect(image.layers.map(({ digest }) => countFetches(bed.proxy, digest))).toEqual([1, 1]);
      const [first, second] = await Promise.all(bundles.map((bundle) => readTree(`${bundle}/rootfs`)));
      if (first === undefined || second === undefined) throw new Error('two trees were read');
      expect(first.size).toBeGreaterThan(10_000);
      expect(compareTrees(first, second)).toEqual([]);
    });

    /** Without this, the first could be done before the second begins. */
    function holdLayersUntilBothKnowTheManifest(): void {
      let manifestsSeen = 0;
      let release: () => void = () => undefined;
      const both = new Promise<void>((resolve) => {
        release = resolve;
      });
      bed.proxy.holdRequests(async (path) => {
        if (path.endsWith('/manifests/latest')) {
          manifestsSeen += 1;
          if (manifestsSeen === 2) release();
        }
        if (image.layers.some(({ digest }) => path.endsWith(digest))) await both;
      });
    }
  },
);
