import { listImageRecords } from './image-record.ts';
import { listLayerRecords, readLayerRecord } from './layer-record.ts';
import { listMounts } from './mount-record.ts';
import { listNames } from './names.ts';
import type { ImageRecord, LayerRecord, MountRecord, NameRecord } from './types.ts';

/** The small records at one moment; damaged ones are left out. */
export interface References {
  readonly names: readonly NameRecord[];
  readonly images: readonly ImageRecord[];
  readonly mounts: readonly MountRecord[];
}

export interface StoreIndex extends References {
  readonly layers: readonly LayerRecord[];
}

/** Throws `STORE_RECORD_CORRUPT` for a damaged mount record, because it is unknown what the mount needs. */
export function readReferences(stateDir: string): References {
  return { names: listNames(stateDir), images: listImageRecords(stateDir), mounts: listMounts(stateDir) };
}

/** Reads the records of layers too, which can be large. */
export function readIndex(stateDir: string): StoreIndex {
  return {
    ...readReferences(stateDir),
    layers: listLayerRecords(stateDir)
      .map((key) => readLayerRecord(stateDir, key))
      .filter((record) => record !== undefined),
  };
}
