import type { Run } from '../operations/index.ts';
import { createPresenceCheck } from './presence-check.ts';
import type { LayerBacking, SoughtLayer, StoreOperations } from './types.ts';

/** Returns the first backing that has the layer, or undefined. */
export type LocateLayer = (layer: SoughtLayer) => Promise<LayerBacking | undefined>;

export function createLayerLocator(runOperation: Run<StoreOperations>, backings: readonly LayerBacking[]): LocateLayer {
  const checks = backings.map((backing) => ({ backing, isPresent: createPresenceCheck(runOperation, backing.dir) }));
  return async (layer) => {
    for (const { backing, isPresent } of checks) if (await isPresent(layer)) return backing;
    return undefined;
  };
}
