import type { LayerKey, RunStoreOperation } from './types.ts';

/** Whether the layer of a key lies in the backing. */
export type PresenceCheck = (key: LayerKey) => Promise<boolean>;

/**
 * What is asked for in the same turn goes to the worker in one message: an image has up to hundreds of layers, and a
 * message costs ten times as much as the look.
 */
export function createPresenceCheck(runOperation: RunStoreOperation, dataDir: string): PresenceCheck {
  let batch: { readonly keys: Set<LayerKey>; readonly present: Promise<ReadonlySet<LayerKey>> } | undefined;

  function openBatch() {
    const keys = new Set<LayerKey>();
    // Its turn comes after the callers of this one have added theirs.
    const present = Promise.resolve().then(async () => {
      batch = undefined;
      return new Set(await runOperation('presentLayers', { dataDir, keys: [...keys] }));
    });
    return { keys, present };
  }

  return async (key) => {
    batch ??= openBatch();
    batch.keys.add(key);
    return (await batch.present).has(key);
  };
}
