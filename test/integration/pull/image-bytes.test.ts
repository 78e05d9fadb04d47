import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import type { SizeBound } from '../../../src/limits/index.ts';
import { type Descriptor, parseDigest } from '../../../src/oci/index.ts';
import { configBound } from '../../support/builders/config-bound.ts';
import { type BuiltImage, buildImage, buildLayer } from '../../support/builders/image-builder.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';
import { type Damage, type OpenedBytes, readLayer, SUBJECTS } from '../../support/contracts/image-bytes.ts';
import { Scratch } from '../../support/machine/scratch.ts';

let scratch: Scratch;
let image: BuiltImage;
let folders = 0;

beforeAll(async () => {
  scratch = new Scratch('image-bytes');
  const layer = await buildLayer(tar([file('etc/motd', 'ahoy\n')]), 'gzip', scratch.path);
  image = buildImage({ format: 'oci', layers: [layer], index: true });
});

afterAll(() => scratch[Symbol.dispose]());

function describeBlob(digest: string, size: number): Descriptor {
  return { mediaType: 'x/y', digest: parseDigest(digest), size, annotations: {}, platform: undefined };
}

const flip = (bytes: Buffer) => Buffer.from(bytes.map((byte, index) => (index === 3 ? byte ^ 1 : byte)));
const shorten = (bytes: Buffer) => bytes.subarray(1);
const lengthen = (bytes: Buffer) => Buffer.concat([bytes, bytes]);
const remove = () => undefined;

// One contract for everything that a pull reads an image from, so that none of them believes more than the others.
describe.each(SUBJECTS)('an image in $name', ({ open, missing }) => {
  async function openImage(damage?: Damage): Promise<OpenedBytes> {
    folders += 1;
    return open({ image, damage, folder: scratch.join(`${folders}`) });
  }

  async function failure(damage: Damage, ask: (opened: OpenedBytes) => Promise<unknown>): Promise<SealiftError> {
    await using opened = await openImage(damage);
    return await ask(opened).then(
      () => expect.fail('expected a refusal'),
      (error) => error,
    );
  }

  const fetchConfig = ({ bytes }: OpenedBytes, bound: SizeBound = configBound(image.config.bytes.length)) =>
    bytes.fetchSmallBlob(describeBlob(image.config.digest, image.config.bytes.length), bound);

  it('begins with the document that the name leads to, and its own digest', async () => {
    await using opened = await openImage();
    const { rawBytes, digest } = await opened.bytes.fetchManifest(opened.firstName);
    expect(Buffer.from(rawBytes)).toEqual(image.top.bytes);
    expect(digest).toBe(image.top.digest);
  });

  it('gives manifest, config and layer by digest', async () => {
    await using opened = await openImage();
    const { bytes } = opened;
    const { rawBytes, digest } = await bytes.fetchManifest(image.manifest.digest);
    expect([Buffer.from(rawBytes), digest]).toEqual([image.manifest.bytes, image.manifest.digest]);
    expect(Buffer.from(await fetchConfig(opened))).toEqual(image.config.bytes);
    for (const { digest: layer, size, path } of image.layers) {
      expect(await readLayer(await bytes.offerBlob(describeBlob(layer, size)))).toEqual(readFileSync(path));
    }
  });

  it.each([
    ['other bytes', flip],
    ['fewer bytes', shorten],
    ['more bytes', lengthen],
  ])('refuses a manifest with %s than its digest says', async (_, alter) => {
    const { digest } = image.manifest;
    const error = await failure({ digest, alter }, ({ bytes }) => bytes.fetchManifest(digest));
    expect(error).toMatchObject({ code: 'MANIFEST_DIGEST_MISMATCH', kind: 'corrupt' });
  });

  it.each<[string, Damage['alter'], ErrorCode]>([
    ['other bytes', flip, 'BLOB_DIGEST_MISMATCH'],
    ['fewer bytes', shorten, 'BLOB_SIZE_MISMATCH'],
  ])('refuses a small blob with %s than its descriptor says', async (_, alter, code) => {
    const error = await failure({ digest: image.config.digest, alter }, fetchConfig);
    expect(error).toMatchObject({ code, kind: 'corrupt' });
  });

  it('refuses a small blob with more bytes than its bound, and names the limit of the caller', async () => {
    const { length } = image.config.bytes;
    const bound = { maxBytes: length, limit: 'maxManifestBytes', what: 'signature' } as const;
    const longer = await failure({ digest: image.config.digest, alter: lengthen }, (opened) =>
      fetchConfig(opened, bound),
    );
    expect(longer.context).toMatchObject({ limit: 'maxManifestBytes' });
    await using opened = await openImage();
    await expect(fetchConfig(opened, { ...bound, maxBytes: length - 1 })).rejects.toMatchObject({
      context: { limit: 'maxManifestBytes', expected: length - 1 },
    });
  });

  it('says that a document or a small blob is missing', async () => {
    const { manifest, config } = image;
    const errors = [
      await failure({ digest: manifest.digest, alter: remove }, ({ bytes }) => bytes.fetchManifest(manifest.digest)),
      await failure({ digest: config.digest, alter: remove }, fetchConfig),
    ];
    expect(errors.map(({ code }) => code)).toEqual([missing.manifest, missing.blob]);
  });
});
