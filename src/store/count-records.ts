import { errnoOf } from '../platform/index.ts';
import { listImageRecords } from './image-record.ts';
import { listLayerRecords } from './layer-record.ts';
import { listMountIds } from './mount-record.ts';

export interface RecordCounts {
  readonly images: number;
  readonly layers: number;
  /** Ids of mounts on record; whether they are mounted is the kernel's to say. */
  readonly mountIds: readonly string[];
}

/** What the index in `stateDir` has, for a look from outside: no lock is taken, and nothing is changed. */
export function countRecords(stateDir: string): RecordCounts {
  return {
    images: unlessAbsent(() => listImageRecords(stateDir)).length,
    layers: unlessAbsent(() => listLayerRecords(stateDir)).length,
    mountIds: unlessAbsent(() => listMountIds(stateDir)),
  };
}

/** A store that nothing was pulled into yet has no records. */
function unlessAbsent<Item>(list: () => readonly Item[]): readonly Item[] {
  try {
    return list();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
