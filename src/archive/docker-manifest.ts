import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import type { Digest, LayerCompression } from '../oci/index.ts';
import type { ExaminedLayer } from './types.ts';

/** https://distribution.github.io/distribution/spec/manifest-v2-2/#media-types */
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';

/** A layer of a docker-archive: the part of a file that holds it, and what is known about its bytes. */
export interface DockerLayer {
  readonly file: FileRange;
  readonly compression: LayerCompression;
  readonly digest: Digest;
}

/**
 * Describes a layer. An uncompressed layer is named by its diffID, which is verified when its bytes are read; a
 * compressed one by the digest that was computed from its bytes.
 */
export function describeLayer(file: FileRange, examined: ExaminedLayer, diffId: Digest): DockerLayer {
  const digest = examined.compression === 'none' ? diffId : examined.digest;
  return { file, compression: examined.compression, digest };
}

/**
 * Makes the manifest that a docker-archive lacks. For uncompressed layers it equals the one of containers/image byte
 * for byte, including the media type that says gzip, so that its digest is the same. A compressed layer is described as
 * it is in the archive, whereas containers/image decompresses it first.
 * https://github.com/containers/image/blob/v5.30.2/docker/internal/tarfile/src.go (GetManifest)
 * ADR 0020 says why, docs/adr/0020-images-in-files.md.
 */
export function formatDockerManifest(
  config: { readonly digest: Digest; readonly size: number },
  layers: readonly DockerLayer[],
): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { mediaType: DOCKER_CONFIG, size: config.size, digest: config.digest },
    layers: layers.map(({ compression, digest, file }) => ({
      mediaType: `${DOCKER_LAYER}.${compression === 'none' ? 'gzip' : compression}`,
      size: file.length,
      digest,
    })),
  });
}

/** Pairs each layer's path with its diffID. Throws `CONFIG_INVALID` when the lists differ in length. */
export function pairLayers(
  paths: readonly string[],
  diffIds: readonly Digest[],
): readonly { readonly path: string; readonly diffId: Digest }[] {
  const [expected, actual] = [paths.length, diffIds.length];
  if (expected !== actual) {
    throw new SealiftError('CONFIG_INVALID', `image config: expected ${expected} diff_ids, got ${actual}`, {
      context: { expected, actual },
    });
  }
  return diffIds.flatMap((diffId, position) => {
    const path = paths[position];
    return path === undefined ? [] : [{ path, diffId }];
  });
}
