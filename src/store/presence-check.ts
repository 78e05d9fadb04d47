import type { LayerKey } from '../layer-formats/index.ts';
import type { Run } from '../operations/index.ts';
import type { SoughtLayer, StoreOperations } from './types.ts';

/** True if a layer lies in the backing. */
export type PresenceCheck = (layer: SoughtLayer) => Promise<boolean>;

/**
 * Sends all layers asked for in the same tick to the worker in one message: an image has up to hundreds of layers, and a
 * message costs ten times as much as the look.
 */
export function createPresenceCheck(runOperation: Run<StoreOperations>, dataDir: string): PresenceCheck {
  let batch:
    | { readonly layers: Map<LayerKey, SoughtLayer>; readonly present: Promise<ReadonlySet<LayerKey>> }
    | undefined;

  function openBatch() {
    const layers = new Map<LayerKey, SoughtLayer>();
    // Runs after the callers of this tick have added their layers.
    const present = Promise.resolve().then(async () => {
      batch = undefined;
      return new Set(await runOperation('presentLayers', { dataDir, layers: [...layers.values()] }));
    });
    return { layers, present };
  }

  return async (layer) => {
    batch ??= openBatch();
    batch.layers.set(layer.key, layer);
    return (await batch.present).has(layer.key);
  };
}
