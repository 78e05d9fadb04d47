import { existsSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { PLATFORM, PullBed } from '../../support/beds/pull-bed.ts';
import {
  DOCKER,
  digestOf,
  entryOf,
  json,
  OCI,
  type OddImage,
  oddLayer,
  serveDocument,
  serveOddImage,
} from '../../support/builders/odd-image.ts';
import { dir, file, tar } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const FILES = [dir('./'), file('f', 'f')];
const LAYER = oddLayer(FILES);
const EMPTY_JSON = 'application/vnd.oci.empty.v1+json';

const layerOf = (mediaType: string) =>
  oddLayer(Buffer.from('{"not":"an archive"}'), { compression: 'none', mediaType });

/**
 * A signature as cosign 2 attaches it to an image: its config has the form of an image config, without os and
 * architecture.
 */
const COSIGN_SIGNATURE: OddImage = {
  layers: [layerOf('application/vnd.dev.cosign.simplesigning.v1+json')],
  config: { architecture: '', os: '', created: '0001-01-01T00:00:00Z', config: {} },
};

interface Row {
  readonly title: string;
  readonly image: OddImage;
  readonly code: ErrorCode;
  /** What the message and the hint must contain. */
  readonly says: string;
  readonly hints: string;
}

const artifact = (configType: string, layerType: string): OddImage => ({
  configType,
  rawConfig: Buffer.from('{}'),
  layers: [layerOf(layerType)],
});

const ARTIFACTS: readonly Row[] = [
  {
    title: 'a Helm chart',
    image: artifact('application/vnd.cncf.helm.config.v1+json', 'application/vnd.cncf.helm.chart.content.v1.tar+gzip'),
    code: 'MANIFEST_UNSUPPORTED',
    says: 'a Helm chart',
    hints: 'helm',
  },
  {
    title: 'a Helm chart that calls its config that of a Docker image',
    image: {
      manifestType: DOCKER.manifest,
      configType: DOCKER.config,
      rawConfig: json({ name: 'chart', version: '1', apiVersion: 'v2' }),
      layers: [oddLayer(FILES, { mediaType: `${DOCKER.layer}.gzip` })],
    },
    code: 'CONFIG_INVALID',
    says: 'expected os, architecture, rootfs, got none of them',
    hints: 'not an image',
  },
  {
    title: 'a cosign signature',
    image: COSIGN_SIGNATURE,
    code: 'LAYER_TYPE_UNSUPPORTED',
    says: 'a cosign signature',
    hints: 'pull the image that it belongs to',
  },
  {
    title: 'a cosign attestation',
    image: { ...COSIGN_SIGNATURE, layers: [layerOf('application/vnd.dsse.envelope.v1+json')] },
    code: 'LAYER_TYPE_UNSUPPORTED',
    says: 'an attestation',
    hints: 'pull the image that it belongs to',
  },
  {
    title: 'an attestation of buildx by its digest',
    image: { layers: [layerOf('application/vnd.in-toto+json')], config: { os: 'unknown', architecture: 'unknown' } },
    code: 'LAYER_TYPE_UNSUPPORTED',
    says: 'an attestation',
    hints: 'pull the image that it belongs to',
  },
  {
    title: 'a Sigstore bundle',
    image: {
      ...artifact(EMPTY_JSON, 'application/vnd.dev.sigstore.bundle.v0.3+json'),
      manifest: { artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' },
    },
    code: 'MANIFEST_UNSUPPORTED',
    says: 'a Sigstore bundle',
    hints: 'pull the image that it belongs to',
  },
  {
    title: 'an SBOM',
    image: artifact('application/vnd.syft+json', 'application/vnd.syft+json'),
    code: 'MANIFEST_UNSUPPORTED',
    says: 'an SBOM',
    hints: 'pull the image that it belongs to',
  },
  {
    title: 'an artifact of ORAS',
    image: {
      ...artifact(EMPTY_JSON, 'application/vnd.acme.rocket.v1'),
      manifest: { artifactType: 'application/vnd.acme.rocket.v1' },
    },
    code: 'MANIFEST_UNSUPPORTED',
    says: 'an artifact of type "application/vnd.acme.rocket.v1"',
    hints: 'push the image as an OCI',
  },
  {
    title: 'an artifact with an empty config and no type',
    image: artifact(EMPTY_JSON, EMPTY_JSON),
    code: 'MANIFEST_UNSUPPORTED',
    says: 'an OCI artifact',
    hints: 'oras',
  },
  {
    title: 'a WebAssembly module',
    image: artifact('application/vnd.wasm.config.v0+json', 'application/wasm'),
    code: 'MANIFEST_UNSUPPORTED',
    says: 'a WebAssembly module',
    hints: 'WebAssembly runtime',
  },
];

const IMAGES: readonly Row[] = [
  {
    title: 'a layer of a type that nobody knows',
    image: { layers: [LAYER, layerOf('application/vnd.acme.rocket.v1')] },
    code: 'LAYER_TYPE_UNSUPPORTED',
    says: 'application/vnd.acme.rocket.v1',
    hints: 'plain, gzip or zstd',
  },
  {
    title: 'an encrypted layer',
    image: { layers: [LAYER, oddLayer(FILES, { mediaType: `${OCI.layer}+gzip+encrypted` })] },
    code: 'LAYER_TYPE_UNSUPPORTED',
    says: '+encrypted',
    hints: 'no keys',
  },
  {
    title: 'fewer diff_ids than layers',
    image: { layers: [LAYER, LAYER], config: { rootfs: { type: 'layers', diff_ids: [LAYER.diffId] } } },
    code: 'CONFIG_INVALID',
    says: 'expected 2 diff_ids, got 1',
    hints: 'build and push the image again',
  },
  {
    title: 'more diff_ids than layers',
    image: { layers: [], config: { rootfs: { type: 'layers', diff_ids: [LAYER.diffId] } } },
    code: 'CONFIG_INVALID',
    says: 'expected 0 diff_ids, got 1',
    hints: 'build and push the image again',
  },
  {
    title: 'a diff_id that is no digest',
    image: { layers: [LAYER], config: { rootfs: { type: 'layers', diff_ids: ['sha256:1'] } } },
    code: 'DIGEST_INVALID',
    says: 'image config',
    hints: 'push the image again',
  },
  {
    title: 'the diff_ids twice',
    image: {
      layers: [LAYER],
      rawConfig: Buffer.from(
        JSON.stringify({ ...PLATFORM, rootfs: { type: 'layers', diff_ids: [LAYER.diffId] } }).replace(
          '"diff_ids"',
          '"diff_ids":[],"diff_ids"',
        ),
      ),
    },
    code: 'JSON_INVALID',
    says: 'diff_ids',
    hints: 'build and push the image again',
  },
  {
    title: 'a rootfs of another type',
    image: { layers: [LAYER], config: { rootfs: { type: 'layers+base', diff_ids: [LAYER.diffId] } } },
    code: 'CONFIG_INVALID',
    says: 'rootfs.type',
    hints: 'build and push the image again',
  },
  {
    title: 'a config without rootfs',
    image: { layers: [LAYER], config: { rootfs: undefined } },
    code: 'CONFIG_INVALID',
    says: 'expected 1 diff_ids, got 0',
    hints: 'build and push the image again',
  },
  {
    title: 'a config that is no JSON',
    image: { layers: [LAYER], rawConfig: Buffer.from('#!/bin/sh\n') },
    code: 'JSON_INVALID',
    says: 'image config',
    hints: 'build and push the image again',
  },
];

/** Faults that are noticed only in the layer, when other layers of the image may already be in the store. */
const LAYERS: readonly Row[] = [
  {
    title: 'a layer in xz that is called gzip',
    image: { layers: [oddLayer(FILES, { blob: Buffer.from('\xfd7zXZ\0 and so on', 'latin1') })] },
    code: 'LAYER_TYPE_MISMATCH',
    says: 'expected gzip as its media type says, got xz',
    hints: 'gzip or zstd',
  },
  {
    title: 'a layer that is compressed twice',
    image: { layers: [oddLayer(FILES, { blob: gzipSync(gzipSync(tar(FILES))) })] },
    code: 'DIFFID_MISMATCH',
    says: ': diffID sha256:',
    hints: 'build and push it again',
  },
  {
    title: 'a layer that is another archive than its diff_id says',
    image: { layers: [{ ...oddLayer(FILES), diffId: digestOf(Buffer.from('other')) }] },
    code: 'DIFFID_MISMATCH',
    says: ': diffID sha256:',
    hints: 'build and push it again',
  },
];

describe('is refused', () => {
  let bed: PullBed;
  let count = 0;
  beforeAll(async () => {
    bed = await PullBed.open();
  });
  afterAll(() => bed.close());

  const blobsAsked = () => bed.registry.requestsTo(/\/blobs\//).map(({ url }) => url.split('/').at(-1));

  async function refuse({ image, code, says, hints }: Row): Promise<readonly (string | undefined)[]> {
    count += 1;
    const directory = bed.path(`tree-${count}`);
    const served = serveOddImage(bed, image);
    const before = blobsAsked().length;
    const error = await expectFailure(code, () =>
      bed.pull(served.digest, { kind: 'unpack', directory }, { settings: { 'store.root': undefined as never } }),
    );
    expect(error.message).toContain(says);
    expect(error.hint).toContain(hints);
    expect(existsSync(directory)).toBe(false);
    expect(readdirSync(bed.directory).filter((name) => name.startsWith('.tree'))).toEqual([]);
    return blobsAsked().slice(before);
  }

  it.each([...ARTIFACTS, ...IMAGES])('$title, before any layer is asked for', async (row) => {
    const layers = row.image.layers.map(({ blob }) => digestOf(blob));
    expect((await refuse(row)).filter((digest) => layers.includes(digest ?? ''))).toEqual([]);
  });

  it.each(LAYERS)('$title', async (row) => {
    expect(await refuse(row)).toContain(digestOf(row.image.layers[0]?.blob ?? Buffer.alloc(0)));
  });

  describe('a document that is no manifest:', () => {
    const index = (entries: readonly object[], tag: string) =>
      serveDocument(bed, OCI.index, { schemaVersion: 2, mediaType: OCI.index, manifests: entries }, tag);
    const failure = (code: ErrorCode, tag: string) => {
      const settings = { 'store.root': undefined as never };
      return expectFailure(code, () => bed.pull(tag, { kind: 'unpack', directory: bed.path('never') }, { settings }));
    };
    const signed = { schemaVersion: 1, name: 'app', tag: '1', fsLayers: [], history: [], signatures: [{}] };

    it.each(['json', 'prettyjws'])('schema 1 of Docker as %s', async (suffix) => {
      serveDocument(bed, `application/vnd.docker.distribution.manifest.v1+${suffix}`, signed, 'schema-1');
      const error = await failure('MANIFEST_UNSUPPORTED', 'schema-1');
      expect(error.message).toContain('a Docker schema 1 manifest');
      expect(error.hint).toContain('v2s2');
    });

    it('an index in an index in an index', async () => {
      const image = serveOddImage(bed, { layers: [LAYER] });
      const inner = index([entryOf(image, { platform: PLATFORM })], 'inner');
      index([entryOf(index([entryOf(inner)], 'middle'))], 'outer');
      const error = await failure('MANIFEST_INVALID', 'outer');
      expect(error.context).toMatchObject({ limit: 'maxIndexDepth', expected: 2, actual: 3 });
    });

    it('an entry that calls an image an index, and one that calls an index an image', async () => {
      const image = serveOddImage(bed, { layers: [LAYER] });
      const inner = index([entryOf(image, { platform: PLATFORM })], 'honest');
      for (const [tag, entry] of [
        ['image', entryOf({ ...image, mediaType: OCI.index })],
        ['index', entryOf({ ...inner, mediaType: OCI.manifest }, { platform: PLATFORM })],
      ] as const) {
        index([entry], `lying-${tag}`);
        const error = await failure('MANIFEST_INVALID', `lying-${tag}`);
        expect(error.message).toContain('as its index says');
      }
    });

    it('an entry of another length than its manifest', async () => {
      const image = serveOddImage(bed, { layers: [LAYER] });
      index([entryOf({ ...image, size: image.size - 1 }, { platform: PLATFORM })], 'short');
      const error = await failure('BLOB_SIZE_MISMATCH', 'short');
      expect(error.context).toEqual({ expected: image.size - 1, actual: image.size });
    });

    it.each([
      ['no entries', [], 'no image that can be run'],
      [
        'others’ machines',
        [
          { os: 'linux', architecture: 's390x' },
          { os: 'windows', architecture: 'amd64' },
        ],
        'linux/s390x, windows/amd64',
      ],
      ['attestations only', [{ os: 'unknown', architecture: 'unknown' }], 'no image that can be run'],
    ])('an index with %s, naming what it has', async (_, platforms, listed) => {
      const image = serveOddImage(bed, { layers: [LAYER] });
      index(
        platforms.map((platform) => entryOf(image, { platform })),
        'lacking',
      );
      const error = await failure('PLATFORM_NOT_FOUND', 'lacking');
      expect(error.message).toContain(`the index has ${listed}`);
      expect(error.hint).toContain('--platform');
    });
  });
});

describeWith(['root'], 'a bundle of an image of Windows', () => {
  it('is refused, since nothing here could run it, and leaves nothing', async () => {
    const bed = await PullBed.open();
    try {
      const platform = { os: 'windows', architecture: 'amd64' };
      serveOddImage(bed, { layers: [oddLayer([dir('Files'), file('Files/f')])], config: platform }, 'windows');
      const settings = { 'pull.platform': 'windows/amd64' };
      const error = await expectFailure('BUNDLE_PLATFORM_UNSUPPORTED', () =>
        bed.pull('windows', { kind: 'bundle', directory: bed.path('bundle') }, { settings }),
      );
      expect(error.hint).toContain('--unpack');
      expect(existsSync(bed.path('bundle'))).toBe(false);
      const tree = bed.path('tree');
      await bed.pull(
        'windows',
        { kind: 'unpack', directory: tree },
        { settings: { ...settings, 'store.root': undefined as never } },
      );
      expect(readdirSync(tree)).toEqual(['Files']);
    } finally {
      await bed.close();
    }
  });
});
