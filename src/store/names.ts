import type { Digest } from '../oci/index.ts';
import { readJsonRecord, writeJsonRecord } from './json-record.ts';
import { statePath } from './layout.ts';
import { readUnlessDamaged, recordCorrupt, recordPaths, removeRecord } from './record-file.ts';
import { nameRecordSchema } from './schema.ts';
import type { NameRecord } from './types.ts';

export function putName(stateDir: string, record: NameRecord): void {
  writeJsonRecord(statePath.name(stateDir, record.reference), record);
}

/** Throws `STORE_RECORD_CORRUPT`: a name that leads elsewhere must not look like one that was never pulled. */
export function getName(stateDir: string, reference: string): Digest | undefined {
  const path = statePath.name(stateDir, reference);
  const record = readJsonRecord(path, nameRecordSchema);
  if (record !== undefined && record.reference !== reference) throw recordCorrupt(path, `is of ${record.reference}`);
  return record?.digest;
}

/** Damaged records are left out. */
export function listNames(stateDir: string): NameRecord[] {
  return recordPaths(statePath.names(stateDir)).flatMap((path) => {
    const record = readUnlessDamaged(() => readJsonRecord(path, nameRecordSchema));
    return record !== undefined && statePath.name(stateDir, record.reference) === path ? [record] : [];
  });
}

export function removeName(stateDir: string, reference: string): void {
  removeRecord(statePath.name(stateDir, reference));
}
