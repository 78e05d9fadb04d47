import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OpenArchive } from '../../../src/archive/index.ts';
import type { ErrorCode } from '../../../src/errors/index.ts';
import type { Limits } from '../../../src/limits/index.ts';
import { type Digest, parseDigest } from '../../../src/oci/index.ts';
import { countDescriptors, readOffer, withArchive } from '../../support/beds/archive-bed.ts';
import { blobFile, tarFolder, writeLayout } from '../../support/builders/archive-builder.ts';
import { configBound } from '../../support/builders/config-bound.ts';
import { type BuiltImage, buildImage, buildLayer } from '../../support/builders/image-builder.ts';
import { buildSmallImage } from '../../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../../support/builders/tar-builder.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
let image: BuiltImage;
let other: BuiltImage;
let folders = 0;
let layout: string;

beforeAll(async () => {
  scratch = new Scratch('layout');
  image = await buildSmallImage(scratch.path);
  other = buildImage({ format: 'oci', layers: [await buildLayer(tar([dir('./')]), 'gzip', scratch.path)] });
});

afterAll(() => scratch[Symbol.dispose]());

beforeEach(() => {
  folders += 1;
  layout = scratch.join(`layout-${folders}`);
  writeLayout(layout, [{ image, name: '1.2' }]);
});

/** Reads all documents and blobs of an image, in the order of a pull. */
async function readImage({ supply }: OpenArchive): Promise<readonly string[]> {
  const index = await supply.fetchManifest('');
  const manifest = await supply.fetchManifest(image.manifest.digest);
  const { digest, bytes } = image.config;
  const descriptor = { ...describeBlob(digest, bytes.length), mediaType: image.config.mediaType };
  const config = await supply.fetchSmallBlob(descriptor, configBound(4_000_000));
  const layers: Buffer[] = [];
  for (const layer of image.layers)
    layers.push(readOffer(await supply.offerBlob(describeBlob(layer.digest, layer.size))));
  return [index.rawBytes, manifest.rawBytes, config, ...layers].map((each) => Buffer.from(each).toString('latin1'));
}

function describeBlob(digest: string, size: number) {
  return { mediaType: '', digest: parseDigest(digest), size, annotations: {}, platform: undefined };
}

function expectedImage(): readonly string[] {
  const documents = [image.top.bytes, image.manifest.bytes, image.config.bytes];
  return [...documents, ...image.layers.map(({ path }) => readFileSync(path))].map((each) => each.toString('latin1'));
}

const forms: readonly [form: string, transport: string, write: () => string][] = [
  ['a directory', 'oci', () => layout],
  ['a tar', 'oci-archive', () => writeArchive(tarFolder(layout))],
  ['a tar whose names begin with ./', 'oci-archive', () => writeArchive(tarFolder(layout, './'))],
  ['a tar in gzip', 'oci-archive', () => writeArchive(gzipSync(tarFolder(layout)))],
  ['a tar in zstd', 'oci-archive', () => writeArchive(zstdCompressSync(tarFolder(layout)))],
  ['a tar in two gzip members', 'oci-archive', () => writeArchive(inMembers(tarFolder(layout)))],
];

function writeArchive(archive: Uint8Array): string {
  writeFileSync(`${layout}.tar`, archive);
  return `${layout}.tar`;
}

function inMembers(archive: Buffer): Buffer {
  return Buffer.concat([gzipSync(archive.subarray(0, 5_000)), gzipSync(archive.subarray(5_000))]);
}

function open<Result>(
  reference: string,
  work: (archive: OpenArchive) => Promise<Result>,
  limits: Partial<Limits> = {},
): Promise<Result> {
  return withArchive(reference, { scratchDir: scratch.path, limits }, work);
}

const fetchFirst = ({ supply }: OpenArchive) => supply.fetchManifest('');

describe.each(forms)('an image layout in %s', (_, transport, write) => {
  it('gives every document and blob as it is, and closes what it opened', async () => {
    const path = write();
    const [descriptors, files] = [countDescriptors(), readdirSync(scratch.path)];
    expect(await open(`${transport}:${path}`, readImage)).toEqual(expectedImage());
    expect(countDescriptors()).toBe(descriptors);
    expect(readdirSync(scratch.path)).toEqual(files);
  });

  it('is known by its real path', async () => {
    const link = scratch.join(`link-${folders}-${transport}`);
    rmSync(link, { force: true });
    symlinkSync(write(), link);
    await open(`${transport}:${link}`, async ({ reference }) => {
      expect(reference).toMatchObject({ transport, path: transport === 'oci' ? layout : `${layout}.tar` });
    });
  });

  it.each<[what: string, code: ErrorCode, change: () => void]>([
    ['without oci-layout', 'ARCHIVE_MEMBER_MISSING', () => rmSync(`${layout}/oci-layout`)],
    ['without index.json', 'ARCHIVE_MEMBER_MISSING', () => rmSync(`${layout}/index.json`)],
    [
      'without the document that it leads to',
      'ARCHIVE_MEMBER_MISSING',
      () => rmSync(blobFile(layout, image.top.digest)),
    ],
    ['of another version', 'ARCHIVE_UNSUPPORTED', () => writeMarker('{"imageLayoutVersion":"2.0.0"}')],
    ['without a version', 'ARCHIVE_INVALID', () => writeMarker('{}')],
    ['whose version is no JSON', 'JSON_INVALID', () => writeMarker('1.0.0')],
    ['whose index is no JSON', 'JSON_INVALID', () => writeIndex('{')],
    ['whose index is a manifest', 'ARCHIVE_INVALID', () => writeIndex(other.manifest.bytes)],
    ['whose index has no entries', 'MANIFEST_INVALID', () => writeIndex('{"schemaVersion":2,"manifests":{}}')],
    ['without an image', 'ARCHIVE_IMAGE_UNKNOWN', () => writeIndex('{"schemaVersion":2,"manifests":[]}')],
    ['with two images', 'ARCHIVE_IMAGE_AMBIGUOUS', () => writeLayout(layout, [{ image }, { image: other }])],
    [
      'with a flipped byte in the index of the image',
      'MANIFEST_DIGEST_MISMATCH',
      () => flip(image.top.digest as Digest),
    ],
    ['with a cut index of the image', 'BLOB_SIZE_MISMATCH', () => truncateSync(blobFile(layout, image.top.digest), 50)],
  ])('%s is refused as %s', async (_what, code, change) => {
    change();
    await expectFailure(code, () => open(`${transport}:${write()}`, fetchFirst));
  });

  it.each([
    ['manifest', () => image.manifest.digest, 'MANIFEST_DIGEST_MISMATCH'],
    ['config', () => image.config.digest, 'BLOB_DIGEST_MISMATCH'],
  ] as const)('with a flipped byte in the %s is refused', async (_what, digest, code) => {
    flip(parseDigest(digest()));
    await expectFailure(code, () => open(`${transport}:${write()}`, readImage));
  });

  it('chooses by name and by position', async () => {
    writeLayout(layout, [
      { image, name: '1.2' },
      { image: other, name: 'other' },
    ]);
    const path = write();
    const digestOf = async (ending: string) => (await open(`${transport}:${path}${ending}`, fetchFirst)).digest;
    expect(await digestOf(':1.2')).toBe(image.top.digest);
    expect(await digestOf(':other')).toBe(other.top.digest);
    expect(await digestOf(':@0')).toBe(image.top.digest);
    expect(await digestOf(':@1')).toBe(other.top.digest);
    await expectFailure('ARCHIVE_IMAGE_UNKNOWN', () => digestOf(':absent'));
    await expectFailure('ARCHIVE_IMAGE_UNKNOWN', () => digestOf(':@2'));
  });

  it('gives a pinned image, whatever the index says', async () => {
    writeIndex('{"schemaVersion":2,"manifests":[]}');
    const path = write();
    const pinned = (digest: string) =>
      open(`${transport}:${path}@${digest}`, ({ supply }) => supply.fetchManifest(digest));
    const { rawBytes } = await pinned(image.manifest.digest);
    expect(image.manifest.bytes.equals(rawBytes)).toBe(true);
    await expectFailure('ARCHIVE_IMAGE_UNKNOWN', () => pinned(other.manifest.digest));
  });

  it('is bounded in its documents', async () => {
    const bytes = image.top.bytes.length;
    const path = write();
    const limits = { maxManifestBytes: bytes - 1 };
    const error = await expectFailure('ARCHIVE_LIMIT_EXCEEDED', () => open(`${transport}:${path}`, fetchFirst, limits));
    expect(error.context).toMatchObject({ limit: 'maxManifestBytes' });
    const { digest, bytes: config } = image.config;
    await expectFailure('ARCHIVE_LIMIT_EXCEEDED', () =>
      open(`${transport}:${path}`, ({ supply }) =>
        supply.fetchSmallBlob(describeBlob(digest, config.length), configBound(config.length - 1)),
      ),
    );
  });

  function flip(digest: Digest): void {
    const bytes = readFileSync(blobFile(layout, digest));
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    writeFileSync(blobFile(layout, digest), bytes);
  }
});

function writeMarker(text: string): void {
  writeFileSync(`${layout}/oci-layout`, text);
}

function writeIndex(content: string | Uint8Array): void {
  writeFileSync(`${layout}/index.json`, content);
}

describe('an image layout in a directory', () => {
  it('is not left by a link to a blob elsewhere', async () => {
    const blob = blobFile(layout, image.top.digest);
    writeFileSync(scratch.join('elsewhere'), readFileSync(blob));
    rmSync(blob);
    symlinkSync(scratch.join('elsewhere'), blob);
    await expectFailure('ARCHIVE_INVALID', () => open(`oci:${layout}`, fetchFirst));
  });

  it('is not left by a folder of blobs elsewhere', async () => {
    const elsewhere = scratch.join(`blobs-${folders}`);
    mkdirSync(elsewhere);
    rmSync(`${layout}/blobs`, { recursive: true });
    symlinkSync(`../blobs-${folders}`, `${layout}/blobs`);
    await expectFailure('ARCHIVE_INVALID', () => open(`oci:${layout}`, fetchFirst));
  });

  it('has no colon in its real path', async () => {
    const odd = scratch.join('a:b');
    mkdirSync(odd, { recursive: true });
    symlinkSync(odd, scratch.join('no-colon'));
    const descriptors = countDescriptors();
    await expectFailure('REFERENCE_INVALID', () => open(`oci:${scratch.join('no-colon')}`, fetchFirst));
    expect(countDescriptors()).toBe(descriptors);
  });
});

describe('an image layout in a tar', () => {
  const openTar = (archive: Uint8Array, limits: Partial<Limits> = {}) =>
    open(`oci-archive:${writeArchive(archive)}`, readImage, limits);

  it('is not read where a name is there twice', async () => {
    const twice = Buffer.concat([tarFolder(layout).subarray(0, -1024), tar([file('index.json', '{}')])]);
    await expectFailure('ARCHIVE_INVALID', () => openTar(twice));
  });

  it('is not left by a link', async () => {
    rmSync(`${layout}/index.json`);
    const escaping = Buffer.concat([
      tarFolder(layout).subarray(0, -1024),
      tar([symlink('index.json', '../index.json')]),
    ]);
    await expectFailure('ARCHIVE_INVALID', () => openTar(escaping));
  });

  it('has no member outside', async () => {
    await expectFailure('ARCHIVE_INVALID', () => openTar(tar([file('../index.json', '{}')])));
  });

  it.each([600, 5_000, 100_000])('that breaks off at byte %i is refused', async (length) => {
    await expectFailure('ARCHIVE_INVALID', () => openTar(tarFolder(layout).subarray(0, length)));
  });

  it.each([
    ['gzip', (archive: Buffer) => gzipSync(archive).subarray(0, -20)],
    ['zstd', (archive: Buffer) => zstdCompressSync(archive).subarray(0, -20)],
  ])('whose %s breaks off is refused, and nothing of it is left', async (_, compress) => {
    const [descriptors, files] = [countDescriptors(), readdirSync(scratch.path).length];
    await expectFailure('ARCHIVE_INVALID', () => openTar(compress(tarFolder(layout))));
    expect(countDescriptors()).toBe(descriptors);
    expect(readdirSync(scratch.path).length).toBe(files + 1);
  });

  it.each(['bzip2', 'xz'])('in %s is refused, with the remedy', async (compression) => {
    const magic = { bzip2: Buffer.from('BZh91AY&SY'), xz: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) }[compression];
    const error = await expectFailure('ARCHIVE_UNSUPPORTED', () => openTar(magic ?? Buffer.alloc(0)));
    expect(error.hint).toContain(`${compression} -d`);
  });

  it('does not unpack to more than the limit', async () => {
    const archive = tarFolder(layout);
    const compressed = gzipSync(archive);
    expect(await openTar(compressed, { maxArchiveBytes: archive.length })).toEqual(expectedImage());
    const descriptors = countDescriptors();
    const error = await expectFailure('ARCHIVE_LIMIT_EXCEEDED', () =>
      openTar(compressed, { maxArchiveBytes: archive.length - 1 }),
    );
    expect(error.context).toMatchObject({ limit: 'maxArchiveBytes' });
    expect(countDescriptors()).toBe(descriptors);
  });

  it('does not expand without end', async () => {
    const bomb = gzipSync(tar([file('zeros', Buffer.alloc(80 * 1024 * 1024))]));
    const limits = { maxExpansionRatio: 100 };
    const error = await expectFailure('ARCHIVE_LIMIT_EXCEEDED', () => openTar(bomb, limits));
    expect(error.context).toMatchObject({ limit: 'maxExpansionRatio' });
  });

  it('is refused where a temporary file cannot be', async () => {
    const reference = `oci-archive:${writeArchive(gzipSync(tarFolder(layout)))}`;
    await expectFailure('ARCHIVE_READ_FAILED', () =>
      withArchive(reference, { scratchDir: scratch.join('absent') }, fetchFirst),
    );
  });
});
