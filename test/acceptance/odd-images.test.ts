import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PullBed } from '../support/beds/pull-bed.ts';
import { OCI, type OddImage, type OddLayer, oddLayer, serveOddImage } from '../support/builders/odd-image.ts';
import { dir, file, type TarMember } from '../support/builders/tar-builder.ts';
import { loopsBelow } from '../support/machine/loops.ts';
import { mountsBelow, unmountBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift, type SealiftResult } from '../support/programs/sealift-command.ts';
import { IS_SOAK } from '../support/soak.ts';

/** The most layers that overlayfs accepts. */
const MAX_LAYERS = 500;
/** Enough for a line of mountinfo to be longer than what is read at a time. */
const MANY_LAYERS = IS_SOAK ? MAX_LAYERS : 80;
const MAX_PEAK_BYTES = 200e6;

/** Layers that each have a file of their own and one that all layers have. */
function layers(count: number, directories: readonly TarMember[]): readonly OddLayer[] {
  return Array.from({ length: count }, (_, position) =>
    oddLayer([...directories, file(`etc/layer-${position}`, `${position}`), file('etc/last', `${position}`)]),
  );
}

describeWith(['root'], 'an image of', () => {
  let bed: PullBed;
  let count = 0;

  beforeAll(async () => {
    bed = await PullBed.open();
  });
  afterAll(async () => {
    await unmountBelow(bed.directory);
    await bed.close();
  });

  function pull(
    tagOrDigest: string,
    parameters: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<SealiftResult> {
    return runSealift(['pull', bed.reference(tagOrDigest), '--tls-verify=false', ...parameters], { env });
  }

  async function assertBundle(digest: string, format: string, expected: number): Promise<void> {
    count += 1;
    const [root, bundle] = [bed.path(`store-${count}`), bed.path(`bundle-${count}`)];
    const env = { SEALIFT_STORE_LAYER_FORMAT: format };
    const { error, peakBytes, result } = await pull(digest, ['--store', root, '--bundle', bundle], env);
    expect(error).toBeUndefined();
    expect(result['layerFormat']).toBe(format);
    expect(readFileSync(`${bundle}/rootfs/etc/last`, 'utf8')).toBe(`${expected - 1}`);
    expect(readdirSync(`${bundle}/rootfs/etc`)).toHaveLength(expected + 1);
    expect(readFileSync(`${bundle}/rootfs/etc/layer-0`, 'utf8')).toBe('0');
    expect(peakBytes).toBeLessThan(MAX_PEAK_BYTES);
    const umount = await runSealift(['umount', bundle, '--store', root]);
    expect(umount.error).toBeUndefined();
    expect(mountsBelow(bed.directory)).toEqual([]);
    expect([...loopsBelow(bed.directory)]).toEqual([]);
  }

  describe.each(['erofs', 'directory'])('as many layers as overlayfs takes, as %s', (format) => {
    it('is mounted and unmounted, in little memory', async () => {
      const { digest } = serveOddImage(bed, { layers: layers(MAX_LAYERS, [dir('./'), dir('etc')]) });
      await assertBundle(digest, format, MAX_LAYERS);
    });

    it('is mounted when each layer leaves its directories to those below', async () => {
      const { digest } = serveOddImage(bed, { layers: layers(MANY_LAYERS, []) });
      await assertBundle(digest, format, MANY_LAYERS);
    });
  });

  it('as many layers is unpacked', async () => {
    const { digest } = serveOddImage(bed, { layers: layers(MANY_LAYERS, []) });
    const target = bed.path('tree');
    const { error } = await pull(digest, ['--unpack', target]);
    expect(error).toBeUndefined();
    expect(readdirSync(`${target}/etc`)).toHaveLength(MANY_LAYERS + 1);
  });

  it('one layer more is refused before any of them is asked for', async () => {
    const before = bed.registry.requestsTo(/blobs/).length;
    const { digest, image } = serveOddImage(bed, { layers: layers(MAX_LAYERS + 1, []) });
    const { error, code } = await pull(digest, ['--store', bed.path('refused')]);
    expect([error?.code, code]).toEqual(['LAYER_LIMIT_EXCEEDED', 8]);
    expect(error?.context).toEqual({ limit: 'maxLayers', expected: MAX_LAYERS, actual: image.layers.length });
    expect(bed.registry.requestsTo(/blobs/)).toHaveLength(before);
  });

  const plain = oddLayer([dir('./'), file('f', 'f')]);
  const text = (mediaType: string) => oddLayer(Buffer.from('{}'), { compression: 'none', mediaType });
  const REFUSED: readonly (readonly [title: string, image: OddImage, code: string, exit: number, flags: string[]])[] = [
    [
      'a signature of cosign',
      { layers: [text('application/vnd.dev.cosign.simplesigning.v1+json')], config: { os: '', architecture: '' } },
      'LAYER_TYPE_UNSUPPORTED',
      5,
      [],
    ],
    [
      'a Helm chart',
      { layers: [], configType: 'application/vnd.cncf.helm.config.v1+json' },
      'MANIFEST_UNSUPPORTED',
      5,
      [],
    ],
    ['a layer in bzip2', { layers: [{ ...plain, blob: Buffer.from('BZh91AY&SY') }] }, 'LAYER_TYPE_MISMATCH', 4, []],
    [
      'a foreign layer that nobody has',
      {
        layers: [
          {
            ...oddLayer([dir('./'), file('nowhere', '')]),
            mediaType: `${OCI.layer.replace('layer.', 'layer.nondistributable.')}+gzip`,
            urls: ['https://127.0.0.1:1/layer'],
            isMissing: true,
          },
        ],
      },
      'LAYER_FOREIGN_REFUSED',
      3,
      [],
    ],
  ];

  it.each(REFUSED)('%s is refused with the code of its kind', async (_, image, expected, exit, flags) => {
    const { digest } = serveOddImage(bed, image);
    const target = bed.path('refused-tree');
    const { error, code, stderr } = await pull(digest, ['--unpack', target, ...flags]);
    expect([error?.code, code]).toEqual([expected, exit]);
    expect(error?.hint).not.toBe('');
    expect(stderr).not.toContain('    at ');
    expect(existsSync(target)).toBe(false);
  });
});
