import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenArchive } from '../../../src/archive/index.ts';
import type { ErrorCode } from '../../../src/errors/index.ts';
import type { Limits } from '../../../src/limits/index.ts';
import { parseDigest } from '../../../src/oci/index.ts';
import { readOffer, withArchive } from '../../support/beds/archive-bed.ts';
import { type DockerItem, dockerConfig, dockerMembers } from '../../support/builders/archive-builder.ts';
import { configBound } from '../../support/builders/config-bound.ts';
import { type BuiltLayer, buildLayer, toDocument } from '../../support/builders/image-builder.ts';
import { dir, file, hardlink, symlink, type TarMember, tar } from '../../support/builders/tar-builder.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
let one: BuiltLayer;
let two: BuiltLayer;
let archives = 0;

beforeAll(async () => {
  scratch = new Scratch('docker');
  one = await buildLayer(tar([dir('etc'), file('etc/one', 'first')]), 'none', scratch.path);
  two = await buildLayer(tar([dir('etc'), file('etc/two', 'second')]), 'none', scratch.path);
});

afterAll(() => scratch[Symbol.dispose]());

function writeArchive(members: readonly TarMember[]): string {
  archives += 1;
  const path = scratch.join(`archive-${archives}.tar`);
  writeFileSync(path, tar(members));
  return path;
}

const contentOf = ({ path }: BuiltLayer) => readFileSync(path);
const item = (change: Partial<DockerItem> = {}): DockerItem => {
  return {
    tags: ['example.org/app:1'],
    config: dockerConfig([one.diffId, two.diffId]),
    layers: ['one/layer.tar', 'two/layer.tar'],
    ...change,
  };
};
const layerMembers = () => [file('one/layer.tar', contentOf(one)), file('two/layer.tar', contentOf(two))];

function open<Result>(
  reference: string,
  work: (archive: OpenArchive) => Promise<Result>,
  limits: Partial<Limits> = {},
): Promise<Result> {
  return withArchive(reference, { scratchDir: scratch.path, limits }, work);
}

const fetchFirst = ({ supply }: OpenArchive) => supply.fetchManifest('');

interface ReadLayer {
  readonly mediaType: string;
  readonly compression: string | undefined;
  readonly content: Buffer;
}

/** Returns the layers of the manifest that Sealift makes. */
function readLayers(reference: string): Promise<readonly ReadLayer[]> {
  return open(reference, async ({ supply }) => {
    const { rawBytes } = await supply.fetchManifest('');
    const manifest: { layers: { mediaType: string; digest: string; size: number }[] } = JSON.parse(
      Buffer.from(rawBytes).toString(),
    );
    const layers: ReadLayer[] = [];
    for (const { mediaType, digest, size } of manifest.layers) {
      const descriptor = { mediaType, digest: parseDigest(digest), size, annotations: {}, platform: undefined };
      const offer = await supply.offerBlob(descriptor);
      expect(offer.file.length).toBe(size);
      layers.push({ mediaType, compression: offer.compression, content: Buffer.from(readOffer(offer)) });
    }
    return layers;
  });
}

describe('a docker-archive', () => {
  it.each<[form: string, layers: (DockerItem['layers'] | undefined)[], members: () => TarMember[]]>([
    ['a folder for each layer', [undefined], layerMembers],
    [
      'layers that are symlinks into other folders',
      [undefined],
      () => [
        file('first.tar', contentOf(one)),
        file('second.tar', contentOf(two)),
        symlink('one/layer.tar', '../first.tar'),
        symlink('two/layer.tar', '../second.tar'),
      ],
    ],
    [
      'layers that are hard links',
      [undefined],
      () => [
        file('first.tar', contentOf(one)),
        hardlink('one/layer.tar', 'first.tar'),
        file('two/layer.tar', contentOf(two)),
      ],
    ],
    [
      'blobs by their digest',
      [['blobs/sha256/aa', './blobs/sha256/bb']],
      () => [file('blobs/sha256/aa', contentOf(one)), file('blobs/sha256/bb', contentOf(two))],
    ],
  ])('with %s is read in place', async (_, [layers], members) => {
    const image = item(layers === undefined ? {} : { layers });
    const path = writeArchive([...members(), ...dockerMembers([image]), file('repositories', '{ignored')]);
    const read = await readLayers(`docker-archive:${path}`);
    expect(read.map(({ content }) => content)).toEqual([contentOf(one), contentOf(two)]);
    expect(read.map(({ compression }) => compression)).toEqual(['none', 'none']);
  });

  it('gives its config, by the digest of its bytes', async () => {
    const image = item();
    const path = writeArchive([...layerMembers(), ...dockerMembers([image])]);
    await open(`docker-archive:${path}`, async ({ supply }) => {
      const { digest, bytes, mediaType } = image.config;
      const descriptor = {
        mediaType,
        digest: parseDigest(digest),
        size: bytes.length,
        annotations: {},
        platform: undefined,
      };
      expect(Buffer.from(await supply.fetchSmallBlob(descriptor, configBound(4_000_000))).equals(bytes)).toBe(true);
      const wrong = { ...descriptor, digest: parseDigest(one.digest) };
      await expectFailure('BLOB_DIGEST_MISMATCH', () => supply.fetchSmallBlob(wrong, configBound(4_000_000)));
    });
  });

  it('describes compressed layers as they lie there', async () => {
    const blobs = [gzipSync(contentOf(one)), zstdCompressSync(contentOf(two))];
    const members = [file('one/layer.tar', blobs[0]), file('two/layer.tar', blobs[1])];
    const read = await readLayers(`docker-archive:${writeArchive([...members, ...dockerMembers([item()])])}`);
    expect(read.map(({ content }) => content)).toEqual(blobs);
    expect(read.map(({ compression }) => compression)).toEqual(['gzip', 'zstd']);
    expect(read.map(({ mediaType }) => mediaType.split('.').at(-1))).toEqual(['gzip', 'zstd']);
  });

  it('may have a layer twice', async () => {
    const image = item({ config: dockerConfig([one.diffId, two.diffId, one.diffId]), layers: ['a', 'b', 'c'] });
    const members = [file('a', contentOf(one)), file('b', contentOf(two)), symlink('c', 'a')];
    const read = await readLayers(`docker-archive:${writeArchive([...members, ...dockerMembers([image])])}`);
    expect(read.map(({ content }) => content)).toEqual([one, two, one].map(contentOf));
  });

  it('may have several images, by name and by position', async () => {
    const other = item({ tags: ['busybox:latest'], config: dockerConfig([two.diffId]), layers: ['two/layer.tar'] });
    const nameless = item({ tags: null, config: dockerConfig([one.diffId]), layers: ['one/layer.tar'] });
    const path = writeArchive([...layerMembers(), ...dockerMembers([item(), other, nameless])]);
    const layersOf = async (ending: string) => {
      const { rawBytes } = await open(`docker-archive:${path}${ending}`, fetchFirst);
      return JSON.parse(Buffer.from(rawBytes).toString()).layers.map(({ digest }: { digest: string }) => digest);
    };
    expect(await layersOf(':example.org/app:1')).toEqual([one.diffId, two.diffId]);
    expect(await layersOf(':busybox')).toEqual([two.diffId]);
    expect(await layersOf(':@2')).toEqual([one.diffId]);
    await expectFailure('ARCHIVE_IMAGE_AMBIGUOUS', () => layersOf(''));
    await expectFailure('ARCHIVE_IMAGE_UNKNOWN', () => layersOf(':example.org/app:2'));
    await expectFailure('ARCHIVE_IMAGE_UNKNOWN', () => layersOf(':@3'));
  });

  it('can be pinned by the digest of the manifest that is made for it', async () => {
    const path = writeArchive([...layerMembers(), ...dockerMembers([item()])]);
    const { digest } = await open(`docker-archive:${path}`, fetchFirst);
    const pinned = (wanted: string) =>
      open(`docker-archive:${path}@${wanted}`, ({ supply }) => supply.fetchManifest(wanted));
    expect((await pinned(digest)).digest).toBe(digest);
    await expectFailure('MANIFEST_DIGEST_MISMATCH', () => pinned(one.digest));
  });

  it.each<[what: string, code: ErrorCode, members: () => readonly TarMember[]]>([
    ['without manifest.json', 'ARCHIVE_MEMBER_MISSING', layerMembers],
    ['without a layer', 'ARCHIVE_MEMBER_MISSING', () => [...layerMembers().slice(1), ...dockerMembers([item()])]],
    ['without its config', 'ARCHIVE_MEMBER_MISSING', () => [...layerMembers(), ...dockerMembers([item()]).slice(1)]],
    ['with two of manifest.json', 'ARCHIVE_INVALID', () => [...dockerMembers([item()]), ...dockerMembers([item()])]],
    [
      'with a layer twice under one name',
      'ARCHIVE_INVALID',
      () => [...layerMembers(), file('one/layer.tar', contentOf(two)), ...dockerMembers([item()])],
    ],
    [
      'whose layer links out',
      'ARCHIVE_INVALID',
      () => [symlink('one/layer.tar', '../../etc/passwd'), ...layerMembers().slice(1), ...dockerMembers([item()])],
    ],
    [
      'whose layer is a directory',
      'ARCHIVE_INVALID',
      () => [dir('one/layer.tar'), ...layerMembers().slice(1), ...dockerMembers([item()])],
    ],
    [
      'whose config path leads out',
      'ARCHIVE_INVALID',
      () => [...layerMembers(), ...dockerMembers([item({ configPath: '../config' })]).slice(1)],
    ],
    ['whose manifest.json is no array', 'ARCHIVE_INVALID', () => [file('manifest.json', '{}')]],
    ['whose manifest.json is no JSON', 'JSON_INVALID', () => [file('manifest.json', '[')]],
    [
      'whose manifest.json has a key twice',
      'JSON_INVALID',
      () => [file('manifest.json', '[{"Config":"a","Config":"b"}]')],
    ],
    [
      'whose manifest.json has a key that Go would take for another',
      'ARCHIVE_INVALID',
      () => [file('manifest.json', '[{"Config":"a","layers":[],"Layers":["b"]}]')],
    ],
    ['whose manifest.json is empty', 'ARCHIVE_IMAGE_UNKNOWN', () => [file('manifest.json', '[]')]],
    [
      'with more layers than diffIDs',
      'CONFIG_INVALID',
      () => [...layerMembers(), ...dockerMembers([item({ config: dockerConfig([one.diffId]) })])],
    ],
    [
      'whose config is none',
      'CONFIG_INVALID',
      () => [...layerMembers(), ...dockerMembers([item({ config: toDocument('', { rootfs: {} }) })])],
    ],
  ])('%s is refused as %s', async (_, code, members) => {
    await expectFailure(code, () => open(`docker-archive:${writeArchive(members())}`, fetchFirst));
  });

  it('has no more layers than the limit', async () => {
    const path = writeArchive([...layerMembers(), ...dockerMembers([item()])]);
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => open(`docker-archive:${path}`, fetchFirst, { maxLayers: 1 }));
  });

  it('refuses a layer in xz', async () => {
    const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2]);
    const members = [file('one/layer.tar', xz), ...layerMembers().slice(1), ...dockerMembers([item()])];
    const error = await expectFailure('ARCHIVE_UNSUPPORTED', () =>
      open(`docker-archive:${writeArchive(members)}`, fetchFirst),
    );
    expect(error.message).toContain('one/layer.tar');
  });
});

describeWith(['skopeo'], 'skopeo and sealift', () => {
  it('make the same manifest for layers that are not compressed', async () => {
    const path = writeArchive([...layerMembers(), ...dockerMembers([item()])]);
    const theirs = await mustRun('skopeo', ['inspect', '--raw', `docker-archive:${path}`]);
    const ours = await open(`docker-archive:${path}`, fetchFirst);
    expect(Buffer.from(ours.rawBytes).toString()).toBe(theirs.toString().trimEnd());
    const inspected = JSON.parse((await mustRun('skopeo', ['inspect', `docker-archive:${path}`])).toString());
    expect(ours.digest).toBe(inspected.Digest);
  });
});
