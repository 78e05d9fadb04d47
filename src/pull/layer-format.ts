import { type Digest, digestHex } from '../oci/index.ts';
import { formatLayerKey, type LayerKey } from '../store/index.ts';

/** The directory writer's output; the version changes whenever it makes another tree of the same bytes. */
export const LAYER_FORMAT = { format: 'directory', writerVersion: 1 } as const;

/** Key of a plain layer that stands by itself. */
export function diffIdKey(diffId: Digest): LayerKey {
  return formatLayerKey({ ...LAYER_FORMAT, kind: 'diffid', hex: digestHex(diffId), domain: undefined });
}
