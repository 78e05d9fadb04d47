import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { hashBytes, type ManifestDocument, parseManifestDocument } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

const file = (name: string) => readFileSync(new URL(`../../../testdata/manifests/${name}`, import.meta.url));
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

// biome-ignore lint/suspicious/noExplicitAny: tests break documents in ways that no type allows
type Json = any;

/** A copy of a valid document with one thing changed. */
function broken(name: string, change: (document: Json) => void): Uint8Array {
  const document: Json = JSON.parse(file(name).toString());
  change(document);
  return bytes(document);
}

function manifestOf(document: ManifestDocument) {
  if (document.kind !== 'manifest') throw new Error('expected a manifest');
  return document.manifest;
}

function indexOf(document: ManifestDocument) {
  if (document.kind !== 'index') throw new Error('expected an index');
  return document.index;
}

describe('parseManifestDocument', () => {
  it('reads an OCI manifest', () => {
    const manifest = manifestOf(parseManifestDocument(file('oci-manifest.json'), OCI_MANIFEST));
    expect(manifest.mediaType).toBe(OCI_MANIFEST);
    expect(manifest.config.digest).toBe(hashBytes('config'));
    expect(manifest.layers.map(({ digest }) => digest)).toEqual([hashBytes('layer-1'), hashBytes('layer-2')]);
    expect(manifest.layers[0]).toEqual({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: hashBytes('layer-1'),
      size: 7,
      annotations: {},
      platform: undefined,
    });
    expect(manifest.annotations['org.opencontainers.image.created']).toBe('2026-01-01T00:00:00Z');
  });

  it('keeps annotations with every key, and without prototype', () => {
    const annotations = manifestOf(parseManifestDocument(file('oci-manifest.json'), '')).layers[1]?.annotations ?? {};
    expect(Object.keys(annotations)).toEqual(['org.example.note', '__proto__']);
    expect(Object.getPrototypeOf(annotations)).toBeNull();
  });

  it.each([
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  ])('passes on the urls of a layer of type %s, and not too many', async (mediaType) => {
    const withUrls = (count: number) =>
      broken('oci-manifest.json', (d) => {
        const urls = Array.from({ length: count }, (_, position) => `https://example.org/${position}`);
        Object.assign(d.layers[0], { mediaType, urls });
      });
    const [layer] = manifestOf(parseManifestDocument(withUrls(8), '')).layers;
    expect(layer?.unsafeUrls).toHaveLength(8);
    expect(layer?.unsafeUrls?.[7]).toBe('https://example.org/7');
    expect(manifestOf(parseManifestDocument(withUrls(0), '')).layers[0]).not.toHaveProperty('unsafeUrls');
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => parseManifestDocument(withUrls(9), ''));
    expect(error.context).toEqual({ limit: 'maxLayerUrls', expected: 8, actual: 9 });
  });

  it('never passes on inline data, and urls of other layers', () => {
    const layer = manifestOf(parseManifestDocument(file('oci-manifest.json'), '')).layers[1] ?? {};
    expect(Object.keys(layer).sort()).toEqual(['annotations', 'digest', 'mediaType', 'platform', 'size']);
  });

  it('reads a Docker manifest', () => {
    const manifest = manifestOf(parseManifestDocument(file('docker-manifest.json'), DOCKER_MANIFEST));
    expect(manifest.mediaType).toBe(DOCKER_MANIFEST);
    expect(manifest.layers.map(({ digest }) => digest)).toEqual([hashBytes('layer-1')]);
  });

  it('reads an index with its platforms', () => {
    const index = indexOf(parseManifestDocument(file('docker-manifest-list.json'), DOCKER_LIST));
    expect(index.mediaType).toBe(DOCKER_LIST);
    expect(index.manifests.map(({ platform }) => platform)).toEqual([
      { os: 'linux', architecture: 'amd64', variant: undefined },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
    ]);
  });

  it('keeps the entries of an index that are no images, for the choice of platform to skip', () => {
    const index = indexOf(parseManifestDocument(file('oci-index-with-attestation.json'), OCI_INDEX));
    expect(index.manifests.map(({ platform }) => platform?.os)).toEqual(['linux', 'unknown']);
    const withArtifact = broken('oci-index-with-attestation.json', (document) => {
      document.manifests[0].artifactType = 'application/spdx+json';
      delete document.manifests[0].platform;
    });
    expect(indexOf(parseManifestDocument(withArtifact, '')).manifests[0]).toMatchObject({
      artifactType: 'application/spdx+json',
      platform: undefined,
    });
  });

  it.each([
    ['no Content-Type', 'oci-manifest.json', ''],
    ['a Content-Type with parameters', 'oci-manifest.json', `${OCI_MANIFEST}; charset=utf-8`],
    ['a Content-Type in other case', 'oci-manifest.json', 'Application/VND.oci.image.manifest.v1+json'],
    ['application/json', 'docker-manifest.json', 'application/json'],
    ['application/octet-stream', 'oci-manifest.json', 'application/octet-stream'],
    ['text/plain', 'oci-manifest.json', 'text/plain; charset=utf-8'],
  ])('accepts a document with a media type of its own and %s', (_, name, contentType) => {
    expect(parseManifestDocument(file(name), contentType).kind).toBe('manifest');
  });

  it.each([
    ['a manifest by its Content-Type', 'oci-manifest.json', OCI_MANIFEST, OCI_MANIFEST],
    ['a manifest by its members', 'oci-manifest.json', '', OCI_MANIFEST],
    ['an index by its members', 'oci-index-with-attestation.json', '', OCI_INDEX],
    ['an index by its Content-Type', 'docker-manifest-list.json', DOCKER_LIST, DOCKER_LIST],
  ])('knows %s when it has no mediaType', (_, name, contentType, expected) => {
    const raw = broken(name, (document) => delete document.mediaType);
    const parsed = parseManifestDocument(raw, contentType);
    expect(parsed.kind === 'manifest' ? parsed.manifest.mediaType : parsed.index.mediaType).toBe(expected);
  });

  it.each<[string, (document: Json) => unknown]>([
    ['no layers', (d) => delete d.layers],
    ['layers that are null', (d) => (d.layers = null)],
    [
      'an empty list of layers, and annotations that are null',
      (d) => Object.assign(d, { layers: [], annotations: null }),
    ],
  ])('reads %s as a manifest without layers', (_, change) => {
    const raw = broken('oci-manifest.json', (d) => void change(d));
    expect(manifestOf(parseManifestDocument(raw, '')).layers).toEqual([]);
  });

  describe('refuses a document that is two things', () => {
    it.each<[string, Uint8Array, string]>([
      ['manifest and index, no type', file('manifest-and-index.json'), ''],
      ['manifest and index served as a manifest', file('manifest-and-index.json'), OCI_MANIFEST],
      ['manifest and index served as an index', file('manifest-and-index.json'), OCI_INDEX],
      ['an index with layers', broken('docker-manifest-list.json', (d) => (d.layers = [])), DOCKER_LIST],
      ['an index with a config', broken('docker-manifest-list.json', (d) => (d.config = {})), DOCKER_LIST],
      ['an index with fsLayers', broken('docker-manifest-list.json', (d) => (d.fsLayers = [])), DOCKER_LIST],
      ['a manifest with manifests', broken('oci-manifest.json', (d) => (d.manifests = [])), OCI_MANIFEST],
      [
        'a manifest with manifests that are null',
        broken('oci-manifest.json', (d) => (d.manifests = null)),
        OCI_MANIFEST,
      ],
      ['a manifest with fsLayers', broken('oci-manifest.json', (d) => (d.fsLayers = [])), OCI_MANIFEST],
      ['a manifest with history', broken('oci-manifest.json', (d) => (d.history = [])), OCI_MANIFEST],
      ['a manifest with blobs', broken('oci-manifest.json', (d) => (d.blobs = [])), OCI_MANIFEST],
      ['a manifest with Manifests', broken('oci-manifest.json', (d) => (d.Manifests = [])), OCI_MANIFEST],
      ['a manifest with layers and Layers', broken('oci-manifest.json', (d) => (d.Layers = [])), OCI_MANIFEST],
      ['layers with a long s', broken('oci-manifest.json', (d) => (d['layer\u017f'] = [])), OCI_MANIFEST],
      ['a descriptor with digest and Digest', broken('oci-manifest.json', (d) => (d.layers[0].Digest = 'x')), ''],
      ['a config with Size', broken('oci-manifest.json', (d) => (d.config.Size = 1)), ''],
      ['a platform with OS', broken('docker-manifest-list.json', (d) => (d.manifests[0].platform.OS = 'x')), ''],
      ['a manifest served as an index', file('oci-manifest.json'), OCI_INDEX],
      ['a manifest that calls itself an index', broken('oci-manifest.json', (d) => (d.mediaType = OCI_INDEX)), ''],
      ['an OCI manifest served as a Docker one', file('oci-manifest.json'), DOCKER_MANIFEST],
      [
        'an index served as a manifest',
        broken('docker-manifest-list.json', (d) => delete d.mediaType),
        DOCKER_MANIFEST,
      ],
    ])('%s', async (_, raw, contentType) => {
      await expectFailure('MANIFEST_INVALID', () => parseManifestDocument(raw, contentType));
    });
  });

  describe('refuses what cannot be run', () => {
    it.each<[string, Uint8Array, string]>([
      ['schema 1', file('schema-1.json'), ''],
      ['schema 1 by type', file('schema-1.json'), 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
      ['an artifact', file('artifact.json'), OCI_MANIFEST],
      ['an artifact with an image config', broken('oci-manifest.json', (d) => (d.artifactType = 'x/y')), OCI_MANIFEST],
      [
        'an index that is an artifact',
        broken('docker-manifest-list.json', (d) => (d.artifactType = 'x/y')),
        DOCKER_LIST,
      ],
      ['a Helm chart', file('helm-chart.json'), ''],
      [
        'an unknown Content-Type',
        broken('oci-manifest.json', (d) => delete d.mediaType),
        'application/vnd.example+json',
      ],
      ['an unknown mediaType', broken('oci-manifest.json', (d) => (d.mediaType = 'application/vnd.example')), ''],
      ['an artifact whose type is a number', broken('oci-manifest.json', (d) => (d.artifactType = 1)), ''],
      ['an object with the members of nothing', bytes({ schemaVersion: 2 }), ''],
      ['an error document', bytes({ schemaVersion: 2, errors: [] }), 'application/json'],
    ])('%s', async (_, raw, contentType) => {
      await expectFailure('MANIFEST_UNSUPPORTED', () => parseManifestDocument(raw, contentType));
    });

    it('takes the type of an image config for no artifact', () => {
      const artifactType = 'application/vnd.oci.image.config.v1+json';
      const raw = broken('oci-manifest.json', (d) => (d.artifactType = artifactType));
      expect(parseManifestDocument(raw, '').kind).toBe('manifest');
    });

    it('says what an artifact is', async () => {
      const error = await expectFailure('MANIFEST_UNSUPPORTED', () =>
        parseManifestDocument(file('helm-chart.json'), ''),
      );
      expect(error.message).toContain('a Helm chart');
      expect(error.message).toContain('application/vnd.cncf.helm.config.v1+json');
      expect(error.hint).toContain('helm');
    });
  });

  describe('refuses a malformed document', () => {
    it.each<[string, ErrorCode, (document: Json) => unknown]>([
      ['no schemaVersion', 'MANIFEST_INVALID', (d) => delete d.schemaVersion],
      ['schemaVersion 3', 'MANIFEST_INVALID', (d) => (d.schemaVersion = 3)],
      ['schemaVersion as text', 'MANIFEST_INVALID', (d) => (d.schemaVersion = '2')],
      ['a mediaType that is no text', 'MANIFEST_INVALID', (d) => (d.mediaType = 5)],
      ['a mediaType that is null', 'MANIFEST_INVALID', (d) => (d.mediaType = null)],
      ['an empty mediaType', 'MANIFEST_INVALID', (d) => (d.mediaType = '')],
      ['no config', 'MANIFEST_INVALID', (d) => delete d.config],
      ['a config that is null', 'MANIFEST_INVALID', (d) => (d.config = null)],
      ['layers that are an object', 'MANIFEST_INVALID', (d) => (d.layers = {})],
      ['a layer that is a text', 'MANIFEST_INVALID', (d) => (d.layers[0] = 'x')],
      ['a layer without mediaType', 'MANIFEST_INVALID', (d) => delete d.layers[0].mediaType],
      ['a layer without size', 'MANIFEST_INVALID', (d) => delete d.layers[0].size],
      ['a negative size', 'MANIFEST_INVALID', (d) => (d.layers[0].size = -1)],
      ['half a byte', 'MANIFEST_INVALID', (d) => (d.layers[0].size = 0.5)],
      ['a size as text', 'MANIFEST_INVALID', (d) => (d.layers[0].size = '7')],
      ['a size of 2^53', 'JSON_INVALID', (d) => (d.layers[0].size = 2 ** 53)],
      ['a layer without digest', 'MANIFEST_INVALID', (d) => delete d.layers[0].digest],
      ['an empty digest', 'DIGEST_INVALID', (d) => (d.layers[0].digest = '')],
      ['a digest that walks up', 'DIGEST_INVALID', (d) => (d.layers[0].digest = 'sha256:../../../etc/passwd')],
      ['a digest with a query', 'DIGEST_INVALID', (d) => (d.config.digest += '?x')],
      ['a digest with a newline', 'DIGEST_INVALID', (d) => (d.config.digest += '\n')],
      ['an upper-case digest', 'DIGEST_INVALID', (d) => (d.config.digest = d.config.digest.toUpperCase())],
      ['an md5 digest', 'DIGEST_INVALID', (d) => (d.config.digest = `md5:${'a'.repeat(32)}`)],
      ['annotations that are no texts', 'MANIFEST_INVALID', (d) => (d.annotations = { a: 1 })],
      ['annotations that are a list', 'MANIFEST_INVALID', (d) => (d.layers[0].annotations = [])],
    ])('%s', async (_, code, change) => {
      const raw = broken('oci-manifest.json', change);
      await expectFailure(code, () => parseManifestDocument(raw, ''));
    });

    it.each<[string, (document: Json) => unknown]>([
      ['manifests that are null', (d) => (d.manifests = null)],
      ['manifests that are an object', (d) => (d.manifests = {})],
      ['an entry that is null', (d) => (d.manifests[0] = null)],
      ['a platform that is a text', (d) => (d.manifests[0].platform = 'linux/amd64')],
      ['an architecture that is a number', (d) => (d.manifests[0].platform.architecture = 64)],
    ])('an index with %s', async (_, change) => {
      const raw = broken('docker-manifest-list.json', change);
      await expectFailure('MANIFEST_INVALID', () => parseManifestDocument(raw, ''));
    });

    it.each<[string, ErrorCode, string | Uint8Array]>([
      ['an empty body', 'JSON_INVALID', ''],
      ['an HTML page', 'JSON_INVALID', '<html>'],
      ['a list', 'MANIFEST_INVALID', '[]'],
      ['null', 'MANIFEST_INVALID', 'null'],
      ['a duplicate member', 'JSON_INVALID', file('oci-manifest.json').toString().replace('{', '{"layers":[],')],
      [
        'a duplicate member of a layer',
        'JSON_INVALID',
        file('oci-manifest.json').toString().replace('"size": 7', '"size": 7, "size": 8'),
      ],
      ['trailing data', 'JSON_INVALID', `${file('oci-manifest.json')}{}`],
      ['a trailing NUL', 'JSON_INVALID', `${file('oci-manifest.json')}\0`],
    ])('%s', async (_, code, text) => {
      await expectFailure(code, () => parseManifestDocument(Buffer.from(text), ''));
    });
  });

  it('refuses more layers than the limit, and takes as many', async () => {
    const raw = file('oci-manifest.json');
    expect(parseManifestDocument(raw, '', { maxLayers: 2, maxJsonDepth: 64 }).kind).toBe('manifest');
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () =>
      parseManifestDocument(raw, '', { maxLayers: 1, maxJsonDepth: 64 }),
    );
    expect(error.context).toEqual({ limit: 'maxLayers', expected: 1, actual: 2 });
  });
});
