import type { Digest } from '../oci/index.ts';
import { readJsonRecord, writeJsonRecord } from './json-record.ts';
import { statePath } from './layout.ts';
import { recordCorrupt } from './record-file.ts';
import { nameRecordSchema } from './schema.ts';

export function putName(stateDir: string, reference: string, digest: Digest): void {
  writeJsonRecord(statePath.name(stateDir, reference), { reference, digest });
}

/** Throws `STORE_RECORD_CORRUPT`: a name that leads elsewhere must not look like one that was never pulled. */
export function getName(stateDir: string, reference: string): Digest | undefined {
  const path = statePath.name(stateDir, reference);
  const record = readJsonRecord(path, nameRecordSchema);
  if (record !== undefined && record.reference !== reference) throw recordCorrupt(path, `is of ${record.reference}`);
  return record?.digest;
}
