import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import type { Digest, LayerCompression } from '../oci/index.ts';
import type { ExaminedLayer } from './types.ts';

/** https://distribution.github.io/distribution/spec/manifest-v2-2/#media-types */
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';

/** A layer of a docker-archive: where it lies, and what is known of its bytes. */
export interface DockerLayer {
  readonly file: FileRange;
  readonly compression: LayerCompression;
  readonly digest: Digest;
}

/** What is not compressed is named by its diffID, and whether it is that is seen when its bytes come. */
export function describeLayer(file: FileRange, examined: ExaminedLayer, diffId: Digest): DockerLayer {
  const digest = examined.compression === 'none' ? diffId : examined.digest;
  return { file, compression: examined.compression, digest };
}

/**
 * The manifest that a docker-archive lacks, byte for byte the one that containers/image makes of layers that are not
 * compressed, so that its digest is the same; it calls those gzip, too. A compressed layer is described as it lies
 * there, where containers/image would decompress it first.
 * https://github.com/containers/image/blob/v5.30.2/docker/internal/tarfile/src.go (GetManifest)
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

/** Throws `CONFIG_INVALID` when the two lists do not fit together. */
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
