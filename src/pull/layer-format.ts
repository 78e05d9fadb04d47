import { digestHex } from '../oci/index.ts';
import { chainLayerKey, formatLayerKey, type LayerKey } from '../store/index.ts';
import type { LayerPlan } from './plan-layers.ts';

/** How the layers of a pull are written. */
export interface LayerFormat {
  readonly format: 'directory' | 'erofs';
  /** Images only: a dm-verity tree behind each. */
  readonly verity: boolean;
}

/** Each version changes whenever its writer makes another tree, or other image bytes, of the same archive. */
const WRITER_VERSIONS = { directory: 1, erofs: 1 } as const;

/** The key of a layer that does not depend on the layers below. */
export function diffIdKey({ format }: LayerFormat, { diffId, domain }: LayerPlan): LayerKey {
  const writerVersion = WRITER_VERSIONS[format];
  return formatLayerKey({ format, writerVersion, kind: 'diffid', hex: digestHex(diffId), domain });
}

/** The key of the topmost of these layers, bottom to top, written with those below in view. */
export function chainKey({ format }: LayerFormat, layers: readonly LayerPlan[]): LayerKey {
  return chainLayerKey({ format, writerVersion: WRITER_VERSIONS[format] }, layers);
}
