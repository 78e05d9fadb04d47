import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildRichLayers, loadRichImage, type RichImage } from '../support/builders/debian-image.ts';
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

/** In the short run each format and compression either behind an index or not, and each of both ways often. */
const MATRIX = (['oci', 'docker'] as const).flatMap((format, atFormat) =>
  COMPRESSIONS.flatMap((compression, at) =>
    (IS_SOAK ? [false, true] : [(atFormat + at) % 2 === 0]).map((index) => ({ format, compression, index })),
  ),
);

describeWith(
  ['root', 'docker-registry', 'skopeo', 'umoci', 'getfattr', 'dpkg-deb'],
  'an image of Debian packages',
  () => {
    let bed: TestBed;
    let rich: RichImage;
    let expected: Tree;
    const layers = new Map<LayerCompression, readonly BuiltLayer[]>();

    beforeAll(async () => {
      bed = await TestBed.open();
      rich = await loadRichImage();
      for (const compression of COMPRESSIONS) {
        layers.set(compression, await buildRichLayers(rich, compression, bed.scratch.path));
      }
      await bed.push('twin', 'gzip', build('oci', 'gzip', false));
      expected = await readTree(await unpackWithUmoci(`${bed.registry.host}/twin:gzip`, bed.scratch.path));
    });

    afterAll(() => bed?.[Symbol.asyncDispose]());

    function build(format: ImageFormat, compression: LayerCompression, index: boolean) {
      return buildImage({ format, index, layers: layers.get(compression) ?? [], config: { Cmd: ['/bin/sh'] } });
    }

    function differences(actual: Tree): string[] {
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
      const image = build(format, compression, index);
      const tag = `${format}-${compression}-${index}`;
      await bed.push('matrix', tag, image);
      const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];

      bed.proxy.setRules([]);
      const { error } = await bed.pull(`matrix:${tag}`, ['--insecure-policy', '--store', store, '--bundle', bundle]);
      expect(error).toBeUndefined();
      expect(differences(await readTree(`${bundle}/rootfs`))).toEqual([]);
      expect(image.layers.map(({ digest }) => countFetches(bed.proxy, digest))).toEqual(rich.expectedFetches);
      expect(findRemains(`${store}`).unfinished.filter((path) => !path.includes('uppers/'))).toEqual([]);

      const unmounted = await runSealift(['umount', bundle, '--store', store]);
      expect(unmounted.error).toBeUndefined();
      expect(mountsBelow(bundle)).toEqual([]);
    });

    it('comes out of the store without a request when it is pulled by digest again', async () => {
      const image = build('oci', 'zstd', true);
      await bed.push('again', 'latest', image);
      const store = bed.newPath('store');
      const name = `again@${image.top.digest}`;
      const [first, second] = [bed.newPath('bundle'), bed.newPath('bundle')];
      expect((await bed.pull(name, ['--store', store, '--bundle', first])).error).toBeUndefined();

      bed.proxy.setRules([]);
      expect((await bed.pull(name, ['--store', store, '--bundle', second])).error).toBeUndefined();
      expect(bed.proxy.requests).toEqual([]);
      expect(differences(await readTree(`${second}/rootfs`))).toEqual([]);
    });

    it('is the same tree when it is unpacked into one directory, every layer fetched once', async () => {
      const image = build('docker', 'gzip', false);
      await bed.push('unpacked', 'latest', image);
      const target = bed.newPath('unpacked');

      bed.proxy.setRules([]);
      const { error } = await bed.pull(`unpacked@${image.top.digest}`, ['--unpack', target]);
      expect(error).toBeUndefined();
      expect(differences(await readTree(target))).toEqual([]);
      expect(image.layers.map(({ digest }) => countFetches(bed.proxy, digest))).toEqual([1, 1, 1, 1]);
    });

    it('gives directories that no layer names to root with mode 0755 and time 0', async () => {
      const image = build('oci', 'gzip', false);
      await bed.push('implied', 'latest', image);
      const bundle = bed.newPath('bundle');
      const name = `implied@${image.top.digest}`;
      expect((await bed.pull(name, ['--store', bed.newPath('store'), '--bundle', bundle])).error).toBeUndefined();
      const tree = await readTree(`${bundle}/rootfs`);
      const odd = [...rich.directories.unnamed]
        .map((path) => ({ path, record: tree.get(path) }))
        .filter(({ record }) => record?.mode !== '0755' || record.owner !== '0:0' || record.mtimeNs !== 0n);
      expect(odd).toEqual([]);
    });
  },
);
