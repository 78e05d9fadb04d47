import { isLayerKey, type LayerKey } from '../layer-formats/index.ts';
import { readCheckedRecord, writeCheckedRecord } from './checked-record.ts';
import { statePath } from './layout.ts';
import { listRecords, readUnlessDamaged, removeRecord } from './record-file.ts';
import { layerRecordSchema } from './schema.ts';
import type { LayerRecord } from './types.ts';

/** A damaged record counts as absent: the layer is made again, which is always correct. */
export function readLayerRecord(stateDir: string, key: LayerKey): LayerRecord | undefined {
  const record = readUnlessDamaged(() => readCheckedRecord(statePath.layer(stateDir, key), layerRecordSchema));
  return record?.key === key ? record : undefined;
}

export function writeLayerRecord(stateDir: string, record: LayerRecord): void {
  writeCheckedRecord(statePath.layer(stateDir, record.key), record);
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
