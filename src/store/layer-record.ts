import { SealiftError } from '../errors/index.ts';
import { readJsonRecord, writeJsonRecord } from './json-record.ts';
import { isLayerKey } from './layer-key.ts';
import { statePath } from './layout.ts';
import { listRecords, removeRecord } from './record-file.ts';
import { layerRecordSchema } from './schema.ts';
import type { LayerKey, LayerRecord } from './types.ts';

/** A damaged record counts as absent: the layer is made again, which is always right. */
export function readLayerRecord(stateDir: string, key: LayerKey): LayerRecord | undefined {
  try {
    const record = readJsonRecord(statePath.layer(stateDir, key), layerRecordSchema);
    return record?.key === key ? record : undefined;
  } catch (error) {
    if (error instanceof SealiftError && error.code === 'STORE_RECORD_CORRUPT') return undefined;
    throw error;
  }
}

export function writeLayerRecord(stateDir: string, record: LayerRecord): void {
  writeJsonRecord(statePath.layer(stateDir, record.key), record);
}

export function removeLayerRecord(stateDir: string, key: LayerKey): void {
  removeRecord(statePath.layer(stateDir, key));
}

export function listLayerRecords(stateDir: string): LayerKey[] {
  return listRecords(statePath.layers(stateDir))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter(isLayerKey);
}
