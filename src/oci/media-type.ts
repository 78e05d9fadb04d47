import { SealiftError } from '../errors/index.ts';
import { nameArtifact } from './name-artifact.ts';

export type LayerCompression = 'none' | 'gzip' | 'zstd';
export type ManifestKind = 'manifest' | 'index';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** The media types that a request for a manifest accepts. {@link manifestKind} knows exactly these. */
export const MANIFEST_MEDIA_TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST] as const;

const MANIFEST_KINDS: ReadonlyMap<string, ManifestKind> = new Map([
  [OCI_MANIFEST, 'manifest'],
  [DOCKER_MANIFEST, 'manifest'],
  [OCI_INDEX, 'index'],
  [DOCKER_MANIFEST_LIST, 'index'],
]);

const CONFIG_MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

// https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md and, for the older names,
// https://distribution.github.io/distribution/spec/manifest-v2-2/#media-types; Docker's .zstd is what BuildKit writes.
const LAYER_COMPRESSIONS: ReadonlyMap<string, LayerCompression> = new Map([
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
]);

/**
 * Foreign layers of OCI (https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers)
 * and Docker.
 */
const FOREIGN =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.v1|docker\.image\.rootfs\.foreign\.diff)\.tar/;

const ENCRYPTED_SUFFIX = '+encrypted';

/** Returns `undefined` for a media type that is neither an image manifest nor an index. */
export function manifestKind(mediaType: string): ManifestKind | undefined {
  return MANIFEST_KINDS.get(mediaType);
}

export function isImageConfigType(mediaType: string): boolean {
  return CONFIG_MEDIA_TYPES.has(mediaType);
}

/** True if a registry may lack a layer of this type, since the manifest can list URLs for it. */
export function isForeignLayerType(mediaType: string): boolean {
  return FOREIGN.test(mediaType);
}

/** Returns the compression that a layer's media type names. Throws `LAYER_TYPE_UNSUPPORTED`. */
export function layerCompression(mediaType: string): LayerCompression {
  const compression = LAYER_COMPRESSIONS.get(mediaType);
  if (compression !== undefined) return compression;
  const context = { actual: mediaType };
  if (mediaType.endsWith(ENCRYPTED_SUFFIX)) {
    throw new SealiftError('LAYER_TYPE_UNSUPPORTED', `layer of type "${mediaType}": expected an unencrypted layer`, {
      context,
      hint: 'this version has no keys and cannot decrypt layers; push the image unencrypted',
    });
  }
  const artifact = nameArtifact(mediaType);
  throw new SealiftError(
    'LAYER_TYPE_UNSUPPORTED',
    `layer of type "${mediaType}": expected a tar archive, plain or compressed with gzip or zstd, got ${artifact?.name ?? 'another type'}`,
    { context, ...(artifact === undefined ? {} : { hint: artifact.hint }) },
  );
}
