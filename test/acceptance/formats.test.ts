import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildRichLayers, loadRichImage, MANY_FILES, type RichImage } from '../support/builders/debian-image.ts';
import {
  type BuiltLayer,
  buildImage,
  type ImageFormat,
  type LayerCompression,
} from '../support/builders/image-builder.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../support/oracles/tree.ts';
import { unpackWithUmoci } from '../support/oracles/umoci.ts';
import { runSealift } from '../support/programs/sealift-command.ts';
import { countFetches } from '../support/proxies/tamper-proxy.ts';
import { IS_SOAK } from '../support/soak.ts';
import { findRemains } from '../support/stores/store-files.ts';

const COMPRESSIONS = ['gzip', 'zstd', 'none', 'gzip-parts', 'zstd-parts'] as const;

/** Docker has a media type of its own for gzip only: the short run has the rest as OCI images. */
const FORMATS = {
  oci: COMPRESSIONS,
  docker: IS_SOAK ? COMPRESSIONS : (['gzip', 'zstd'] as const),
} as const;

/** The short run has each format and compression either behind an index or without one, and each of both ways often. */
const MATRIX = (['oci', 'docker'] as const).flatMap((format, atFormat) =>
  FORMATS[format].flatMap((compression, at) =>
    (IS_SOAK ? [false, true] : [(atFormat + at) % 2 === 0]).map((index) => ({ format, compression, index })),
  ),
);

/** An image in some compressions, and its tree as umoci unpacks it. */
interface Sample {
  readonly rich: RichImage;
  readonly layers: ReadonlyMap<LayerCompression, readonly BuiltLayer[]>;
  readonly expected: Tree;
}

interface Row {
  readonly format: ImageFormat;
  readonly compression: LayerCompression;
  readonly index: boolean;
}

/** The only row that has all files in the short run as well. */
const [WHOLE_ROW] = MATRIX;

describeWith(
  ['root', 'docker-registry', 'skopeo', 'umoci', 'getfattr', 'dpkg-deb'],
  'an image of Debian packages',
  () => {
    let bed: TestBed;
    let whole: Sample;
    let reduced: Sample;

    beforeAll(async () => {
      bed = await TestBed.open();
      whole = await openSample('whole', await loadRichImage(), IS_SOAK ? COMPRESSIONS : ['gzip']);
      reduced = IS_SOAK ? whole : await openSample('reduced', await loadRichImage(MANY_FILES), COMPRESSIONS);
    });

    afterAll(() => bed?.[Symbol.asyncDispose]());

    async function openSample(
      name: string,
      rich: RichImage,
      compressions: readonly LayerCompression[],
    ): Promise<Sample> {
      const layers = new Map<LayerCompression, readonly BuiltLayer[]>();
      for (const compression of compressions) {
        layers.set(compression, await buildRichLayers(rich, compression, bed.scratch.path));
      }
      await bed.push('twin', name, build({ layers }, { format: 'oci', compression: 'gzip', index: false }));
      const expected = await readTree(await unpackWithUmoci(`${bed.registry.host}/twin:${name}`, bed.newPath('umoci')));
      return { rich, layers, expected };
    }

    function build({ layers }: Pick<Sample, 'layers'>, { format, compression, index }: Row) {
      return buildImage({ format, index, layers: layers.get(compression) ?? [], config: { Cmd: ['/bin/sh'] } });
    }

    function differences({ rich, expected }: Sample, actual: Tree): string[] {
      const { unnamed, madeAhead, declaredTimes } = rich.directories;
      const wrongTimes = [...declaredTimes]
        .map(([path, expectedNs]) => ({ path, expectedNs, record: actual.get(path) }))
        .filter(({ record, expectedNs }) => record?.type === 'directory' && record.mtimeNs !== expectedNs)
        .map(({ path, expectedNs, record }) => `${path}: its entry says ${expectedNs} and not ${record?.mtimeNs}`);
      return [
        ...compareTrees(actual, expected, { withoutMtime: (path) => unnamed.has(path) || madeAhead.has(path) }),
        ...wrongTimes,
      ];
    }

    it('is worth the name: ten thousand files and one of everything that is rare', () => {
      const { expected } = whole;
      const records = [...expected.values()];
      expect(records.filter(({ type }) => type === 'file').length).toBeGreaterThan(5_000);
      expect(expected.size).toBeGreaterThan(10_000);
      for (const type of ['directory', 'symlink', 'char', 'block', 'fifo']) {
        expect(
          records.some((each) => each.type === type),
          type,
        ).toBe(true);
      }
      expect(
        records.some(({ mode }) => mode === '4755'),
        'setuid',
      ).toBe(true);
      expect(
        records.some(({ xattrs }) => 'security.capability' in xattrs),
        'capability',
      ).toBe(true);
      expect(
        records.some(({ names }) => names.length === 3),
        'three hard links',
      ).toBe(true);
      expect(
        records.some(({ mtimeNs }) => mtimeNs % 1_000n !== 0n),
        'nanoseconds',
      ).toBe(true);
      expect(
        [...expected.keys()].some((path) => path.includes('\xff\xfe')),
        'a name that is not UTF-8',
      ).toBe(true);
    });

    it.each(MATRIX)('as $format, $compression, index $index: the mounted rootfs is what umoci unpacks', async (row) => {
      const { format, compression, index } = row;
      const sample = row === WHOLE_ROW ? whole : reduced;
      const image = build(sample, row);
      const tag = `${format}-${compression}-${index}`;
      await bed.push('matrix', tag, image);
      const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];

      bed.proxy.setRules([]);
      const { error } = await bed.pull(`matrix:${tag}`, ['--insecure-policy', '--store', store, '--bundle', bundle]);
      expect(error).toBeUndefined();
      expect(differences(sample, await readTree(`${bundle}/rootfs`))).toEqual([]);
      expect(image.layers.map(({ digest }) => countFetches(bed.proxy, digest))).toEqual(sample.rich.expectedFetches);
      expect(findRemains(`${store}`).unfinished.filter((path) => !path.includes('uppers/'))).toEqual([]);

      const unmounted = await runSealift(['umount', bundle, '--store', store]);
      expect(unmounted.error).toBeUndefined();
      expect(mountsBelow(bundle)).toEqual([]);
    });

    it('comes out of the store without a request when it is pulled by digest again', async () => {
      const image = build(reduced, { format: 'oci', compression: 'zstd', index: true });
      await bed.push('again', 'latest', image);
      const store = bed.newPath('store');
      const name = `again@${image.top.digest}`;
      const [first, second] = [bed.newPath('bundle'), bed.newPath('bundle')];
      expect((await bed.pull(name, ['--store', store, '--bundle', first])).error).toBeUndefined();

      bed.proxy.setRules([]);
      expect((await bed.pull(name, ['--store', store, '--bundle', second])).error).toBeUndefined();
      expect(bed.proxy.requests).toEqual([]);
      expect(differences(reduced, await readTree(`${second}/rootfs`))).toEqual([]);
    });

    it('is the same tree when it is unpacked into one directory, every layer fetched once', async () => {
      const image = build(reduced, { format: 'docker', compression: 'gzip', index: false });
      await bed.push('unpacked', 'latest', image);
      const target = bed.newPath('unpacked');

      bed.proxy.setRules([]);
      const { error } = await bed.pull(`unpacked@${image.top.digest}`, ['--unpack', target]);
      expect(error).toBeUndefined();
      expect(differences(reduced, await readTree(target))).toEqual([]);
      expect(image.layers.map(({ digest }) => countFetches(bed.proxy, digest))).toEqual([1, 1, 1, 1]);
    });

    it('gives directories that no layer names to root with mode 0755 and time 0', async () => {
      const image = build(reduced, { format: 'oci', compression: 'gzip', index: false });
      await bed.push('implied', 'latest', image);
      const bundle = bed.newPath('bundle');
      const name = `implied@${image.top.digest}`;
      expect((await bed.pull(name, ['--store', bed.newPath('store'), '--bundle', bundle])).error).toBeUndefined();
      const tree = await readTree(`${bundle}/rootfs`);
      const odd = [...reduced.rich.directories.unnamed]
        .map((path) => ({ path, record: tree.get(path) }))
        .filter(({ record }) => record?.mode !== '0755' || record.owner !== '0:0' || record.mtimeNs !== 0n);
      expect(odd).toEqual([]);
    });
  },
);
