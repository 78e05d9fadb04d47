import { type LayerKey, layerFileName } from '../layer-formats/index.ts';
import { readLayerRecord, removeLayerRecord } from './layer-record.ts';
import { dataPath } from './layout.ts';
import type { StoreContext } from './store-context.ts';
import type { KnownLayer } from './types.ts';

/** What is known of `key`; a record without its whole layer, or a layer without its record, is nothing. */
export async function findLayer({ options, isPresent }: StoreContext, key: LayerKey): Promise<KnownLayer | undefined> {
  const { stateDir, dataDir } = options;
  const record = readLayerRecord(stateDir, key);
  if (record === undefined) return undefined;
  if (record.state === 'needs-chain') return { kind: 'needs-chain', record };
  if (!(await isPresent({ key, bytes: record.image?.bytes }))) return undefined;
  return { kind: 'published', layer: { record, path: dataPath.layer(dataDir, key) } };
}

/** The same under the lock of `key`: halves that a crash left are removed, so that nobody completes them unawares. */
export async function reconcileLayer(context: StoreContext, key: LayerKey): Promise<KnownLayer | undefined> {
  const found = await findLayer(context, key);
  if (found !== undefined) return found;
  const { stateDir, dataDir, runOperation } = context.options;
  removeLayerRecord(stateDir, key);
  if (await runOperation('moveToTrash', { dataDir, area: 'layers', name: layerFileName(key) })) context.trash.start();
  return undefined;
}
