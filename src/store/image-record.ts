import type { Digest } from '../oci/index.ts';
import { readJsonRecord, writeJsonRecord } from './json-record.ts';
import { statePath } from './layout.ts';
import { readUnlessDamaged, recordPaths, removeRecord } from './record-file.ts';
import { imageRecordSchema } from './schema.ts';
import type { ImageRecord } from './types.ts';

export function putImage(stateDir: string, record: ImageRecord): void {
  writeJsonRecord(statePath.image(stateDir, record.manifestDigest), record);
}

/** A damaged record counts as absent: the next pull makes it again. */
export function listImageRecords(stateDir: string): ImageRecord[] {
  return recordPaths(statePath.images(stateDir)).flatMap((path) => {
    const record = readUnlessDamaged(() => readJsonRecord(path, imageRecordSchema));
    return record !== undefined && statePath.image(stateDir, record.manifestDigest) === path ? [record] : [];
  });
}

export function removeImageRecord(stateDir: string, digest: Digest): void {
  removeRecord(statePath.image(stateDir, digest));
}
