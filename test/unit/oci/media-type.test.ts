import { describe, expect, it } from 'vitest';
import {
  isForeignLayerType,
  isImageConfigType,
  layerCompression,
  MANIFEST_MEDIA_TYPES,
  manifestKind,
} from '../../../src/oci/media-type.ts';
import { nameArtifact } from '../../../src/oci/name-artifact.ts';
import { expectFailure } from '../../support/matchers.ts';

describe('layerCompression', () => {
  it.each([
    ['application/vnd.oci.image.layer.v1.tar', 'none'],
    ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip'],
    ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd'],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
    ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
    ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar', 'none'],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'],
  ])('reads %s as %s', (mediaType, expected) => {
    expect(layerCompression(mediaType)).toBe(expected);
  });

  it.each([
    '',
    'constructor',
    '__proto__',
    'application/octet-stream',
    'application/vnd.oci.image.layer.v1.tar+bzip2',
    'application/vnd.oci.image.layer.v1.tar+gzip ',
    'application/vnd.oci.image.layer.v1.TAR',
    'application/vnd.in-toto+json',
  ])('refuses %j', async (mediaType) => {
    const error = await expectFailure('LAYER_TYPE_UNSUPPORTED', () => layerCompression(mediaType));
    expect(error.context).toEqual({ actual: mediaType });
  });

  it('says that an encrypted layer cannot be decrypted', async () => {
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted';
    const error = await expectFailure('LAYER_TYPE_UNSUPPORTED', () => layerCompression(mediaType));
    expect(error.hint).toContain('cannot decrypt');
  });
});

describe('manifestKind', () => {
  it('knows every type that is asked for', () => {
    expect(MANIFEST_MEDIA_TYPES.map(manifestKind)).toEqual(['manifest', 'index', 'manifest', 'index']);
    expect(manifestKind('application/vnd.docker.distribution.manifest.v1+prettyjws')).toBeUndefined();
    expect(manifestKind('constructor')).toBeUndefined();
  });
});

describe('isForeignLayerType', () => {
  it.each([
    ['application/vnd.oci.image.layer.nondistributable.v1.tar', true],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', true],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', true],
    ['application/vnd.oci.image.layer.v1.tar+gzip', false],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', false],
    ['x application/vnd.docker.image.rootfs.foreign.diff.tar', false],
  ])('says of %s: %s', (mediaType, expected) => {
    expect(isForeignLayerType(mediaType)).toBe(expected);
  });
});

describe('nameArtifact', () => {
  it.each([
    ['application/vnd.cncf.helm.config.v1+json', 'a Helm chart'],
    ['application/vnd.dev.cosign.simplesigning.v1+json', 'a cosign signature'],
    ['application/vnd.dev.cosign.artifact.sbom.v1+json', 'a cosign artifact'],
    ['application/vnd.docker.distribution.manifest.v1+prettyjws', 'a Docker schema 1 manifest'],
    ['Application/SPDX+json', 'an SBOM'],
    ['application/vnd.docker.plugin.v1+json', 'a Docker plugin'],
  ])('calls %s %s', (mediaType, name) => {
    expect(nameArtifact(mediaType)?.name).toBe(name);
  });

  it.each([
    ...MANIFEST_MEDIA_TYPES,
    'application/vnd.oci.image.config.v1+json',
    'application/vnd.docker.container.image.v1+json',
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
    '',
  ])('has no name for %j', (mediaType) => {
    expect(nameArtifact(mediaType)).toBeUndefined();
  });
});

describe('isImageConfigType', () => {
  it.each([
    ['application/vnd.oci.image.config.v1+json', true],
    ['application/vnd.docker.container.image.v1+json', true],
    ['application/vnd.oci.empty.v1+json', false],
    ['application/vnd.docker.plugin.v1+json', false],
  ])('says of %s: %s', (mediaType, expected) => {
    expect(isImageConfigType(mediaType)).toBe(expected);
  });
});
