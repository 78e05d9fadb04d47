import { parseLayerKey } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import type { References, StoreIndex } from './store-index.ts';
import type { ImageRecord, LayerRecord } from './types.ts';

/** What names and mounts refer to. */
export interface Needed {
  readonly layers: ReadonlySet<string>;
  /** Digests of manifests, indexes and configs. */
  readonly documents: ReadonlySet<string>;
}

export function findNeeded(index: StoreIndex): Needed {
  const { names, mounts, layers } = index;
  const kept = neededImages(index);
  const keptImages = new Set<string>(kept.map(({ manifestDigest }) => manifestDigest));
  const indexes = names.filter(({ digest }) => keptImages.has(digest)).flatMap(({ via }) => via);
  const keys = [...kept.flatMap(({ layerKeys }) => layerKeys), ...mounts.flatMap((mount) => mount.layers)];
  return {
    layers: withPlainReadings(new Set<string>(keys), layers),
    documents: new Set<string>([
      ...kept.flatMap(({ manifestDigest, configDigest }) => [manifestDigest, configDigest]),
      ...indexes,
    ]),
  };
}

/** Images with a name or a mount. */
export function neededImages({ names, images, mounts }: References): readonly ImageRecord[] {
  const wanted = new Set<string>([
    ...names.map(({ digest }) => digest),
    ...mounts.map(({ imageDigest }) => imageDigest),
  ]);
  return images.filter(({ manifestDigest }) => wanted.has(manifestDigest));
}

/**
 * Adds, for each chained layer, the record of the same layer by itself. A pull finds a chained layer through that record
 * and would fetch the layer again without it.
 */
function withPlainReadings(keys: ReadonlySet<string>, layers: readonly LayerRecord[]): ReadonlySet<string> {
  const isChained = ({ key }: LayerRecord) => parseLayerKey(key).kind === 'chain';
  const chained = new Set<Digest>(
    layers.filter((layer) => keys.has(layer.key) && isChained(layer)).map(({ diffId }) => diffId),
  );
  const plain = layers.filter((layer) => chained.has(layer.diffId) && !isChained(layer)).map(({ key }) => key);
  return new Set([...keys, ...plain]);
}

/** Returns the images that no mount needs, the one whose last pull is longest ago first. */
export function oldestUnmounted({ images, mounts }: References): readonly ImageRecord[] {
  const mounted = new Set(mounts.map(({ imageDigest }) => imageDigest));
  return images
    .filter(({ manifestDigest }) => !mounted.has(manifestDigest))
    .sort((left, right) => Date.parse(left.pulledAt) - Date.parse(right.pulledAt));
}
