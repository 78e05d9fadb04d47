import {
  type Descriptor,
  type Digest,
  type ImageConfig,
  type ImageManifest,
  type LayerCompression,
  layerCompression,
  matchDiffIds,
} from '../oci/index.ts';

/**
 * One layer as manifest and config describe it: what to fetch, how to read it and what has to come out. Keys of layers
 * are made from plans only (`diffIdKey`, `chainKey`), so that no key is made without its domain.
 */
export interface LayerPlan {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly compression: LayerCompression;
  /** Keeps copies of an encrypted layer apart by the key that opened it; undefined for a layer in the clear. */
  readonly domain: string | undefined;
}

/** The layers of an image, bottom to top. Throws `CONFIG_INVALID` and `LAYER_TYPE_UNSUPPORTED`. */
export function planLayers(manifest: ImageManifest, config: ImageConfig): readonly LayerPlan[] {
  return matchDiffIds(manifest, config).map(({ descriptor, diffId }) => {
    return { descriptor, diffId, compression: layerCompression(descriptor.mediaType), domain: undefined };
  });
}
