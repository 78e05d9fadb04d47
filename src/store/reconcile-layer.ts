import { type LayerKey, layerFileName } from '../layer-formats/index.ts';
import { pathFactsOf, readLayerRecord, removeLayerRecord } from './layer-record.ts';
import { dataPath } from './layout.ts';
import type { StoreContext } from './store-context.ts';
import type { KnownLayer } from './types.ts';

/** Returns what the store has under `key`. A record without its complete layer counts as nothing, and so does the reverse. */
export async function findLayer({ options, locate }: StoreContext, key: LayerKey): Promise<KnownLayer | undefined> {
  const record = readLayerRecord(options.stateDir, key);
  if (record === undefined) return undefined;
  if (record.state === 'needs-chain') return { kind: 'needs-chain', record };
  const backing = await locate({ key, bytes: record.image?.bytes });
  if (backing === undefined) return undefined;
  const paths = pathFactsOf(options.stateDir, record);
  return { kind: 'published', layer: { record, path: dataPath.layer(backing.dir, key), paths } };
}

/**
 * Does the same with the lock of `key` held, and removes a record or layer that a crash left without the other: a later
 * layer or record would complete it by accident.
 */
export async function reconcileLayer(context: StoreContext, key: LayerKey): Promise<KnownLayer | undefined> {
  const found = await findLayer(context, key);
  if (found !== undefined) return found;
  const { dataDir } = context;
  const { stateDir, runOperation } = context.options;
  removeLayerRecord(stateDir, key);
  if (await runOperation('moveToTrash', { dataDir, area: 'layers', name: layerFileName(key) })) context.trash.start();
  return undefined;
}

/** True if the layer of `key` lies in a backing that is only read, where nothing can be removed. */
export async function isReadOnly({ options, locateReadOnly }: StoreContext, key: LayerKey): Promise<boolean> {
  if (options.backings.every(({ writable }) => writable)) return false;
  const record = readLayerRecord(options.stateDir, key);
  if (record === undefined) return false;
  return (await locateReadOnly({ key, bytes: record.image?.bytes })) !== undefined;
}
