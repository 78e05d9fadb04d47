import {
  chainLayerKey,
  formatLayerKey,
  LAYER_FORMATS,
  type LayerFormatName,
  type LayerKey,
} from '../layer-formats/index.ts';
import { digestHex } from '../oci/index.ts';
import type { LayerPlan } from './plan-layers.ts';

/** How the layers of a pull are written. */
export interface LayerFormat {
  readonly format: LayerFormatName;
  /** True when a dm-verity tree is written behind each image. */
  readonly verity: boolean;
}

/** The key of a layer that does not depend on the layers below. */
export function diffIdKey({ format }: LayerFormat, { diffId, domain }: LayerPlan): LayerKey {
  const { writerVersion } = LAYER_FORMATS[format];
  return formatLayerKey({ format, writerVersion, kind: 'diffid', hex: digestHex(diffId), domain });
}

/** The key of the topmost of these layers, bottom to top, written with those below in view. */
export function chainKey({ format }: LayerFormat, layers: readonly LayerPlan[]): LayerKey {
  return chainLayerKey({ format, writerVersion: LAYER_FORMATS[format].writerVersion }, layers);
}
