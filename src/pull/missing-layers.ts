import type { ImageLayer } from '../oci/index.ts';
import type { Store } from '../store/index.ts';
import { diffIdKey, type LayerFormat } from './layer-format.ts';

/** The layers that have to be fetched, each diffID once, as far as can be told without a lock. */
export async function missingLayers(
  layers: readonly ImageLayer[],
  format: LayerFormat,
  store: Store,
): Promise<readonly ImageLayer[]> {
  const distinct = [...new Map(layers.map((layer) => [layer.diffId, layer])).values()];
  const known = await Promise.all(distinct.map(({ diffId }) => store.findLayer(diffIdKey(format, diffId))));
  return distinct.filter((_, position) => known[position]?.kind !== 'published');
}
