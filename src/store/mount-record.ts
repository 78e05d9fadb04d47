import { SealiftError } from '../errors/index.ts';
import { readCheckedRecord, writeCheckedRecord } from './checked-record.ts';
import { isUpperId, statePath } from './layout.ts';
import { listRecords, removeRecord } from './record-file.ts';
import { mountRecordSchema } from './schema.ts';
import type { MountRecord } from './types.ts';

export function putMount(stateDir: string, record: MountRecord): void {
  writeCheckedRecord(statePath.mount(stateDir, assertUpperId(record.id)), record);
}

/** Returns the ids of all recorded mounts, those of damaged records included. */
export function listMountIds(stateDir: string): string[] {
  return listRecords(statePath.mounts(stateDir)).map((name) => name.replace(/\.json$/, ''));
}

/** Throws `STORE_RECORD_CORRUPT`. */
export function listMounts(stateDir: string): MountRecord[] {
  return listMountIds(stateDir)
    .filter(isUpperId)
    .map((id) => readCheckedRecord(statePath.mount(stateDir, id), mountRecordSchema))
    .filter((record) => record !== undefined);
}

export function removeMount(stateDir: string, id: string): void {
  removeRecord(statePath.mount(stateDir, assertUpperId(id)));
}

/** Ids become file names, so other texts are refused. */
export function assertUpperId(id: string): string {
  if (isUpperId(id)) return id;
  throw new SealiftError('INTERNAL', `use upper: expected an id of 32 hex digits, got "${id}"`);
}
