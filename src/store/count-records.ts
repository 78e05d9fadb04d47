import { errnoOf } from '../platform/index.ts';
import { listImageRecords } from './image-record.ts';
import { listLayerRecords } from './layer-record.ts';
import { listMountIds } from './mount-record.ts';

export interface RecordCounts {
  readonly images: number;
  readonly layers: number;
  /** Ids of recorded mounts; the kernel decides whether they are mounted. */
  readonly mountIds: readonly string[];
}

/** Counts the records of the index in `stateDir` without taking a lock and without changing anything. */
export function countRecords(stateDir: string): RecordCounts {
  return {
    images: unlessAbsent(() => listImageRecords(stateDir)).length,
    layers: unlessAbsent(() => listLayerRecords(stateDir)).length,
    mountIds: unlessAbsent(() => listMountIds(stateDir)),
  };
}

/** A store without any pull has no directories of records. */
function unlessAbsent<Item>(list: () => readonly Item[]): readonly Item[] {
  try {
    return list();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
