import { readCheckedRecord, writeCheckedRecord } from './checked-record.ts';
import { statePath } from './layout.ts';
import { readUnlessDamaged, recordPaths, removeRecord } from './record-file.ts';
import { nameRecordSchema } from './schema.ts';
import type { NameRecord } from './types.ts';

export function putName(stateDir: string, record: NameRecord): void {
  writeCheckedRecord(statePath.name(stateDir, record.reference), record);
}

/** Lists the names; damaged records are left out. */
export function listNames(stateDir: string): NameRecord[] {
  return recordPaths(statePath.names(stateDir)).flatMap((path) => {
    const record = readUnlessDamaged(() => readCheckedRecord(path, nameRecordSchema));
    return record !== undefined && statePath.name(stateDir, record.reference) === path ? [record] : [];
  });
}

/** Removes the records that {@link listNames} leaves out. Only with the prune lock held. */
export function removeDamagedNames(stateDir: string): void {
  const whole = new Set(listNames(stateDir).map(({ reference }) => statePath.name(stateDir, reference)));
  for (const path of recordPaths(statePath.names(stateDir))) if (!whole.has(path)) removeRecord(path);
}

export function removeName(stateDir: string, reference: string): void {
  removeRecord(statePath.name(stateDir, reference));
}
