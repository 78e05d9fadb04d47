import type { Digest } from '../oci/index.ts';
import { readCheckedRecord, writeCheckedRecord } from './checked-record.ts';
import { statePath } from './layout.ts';
import { readUnlessDamaged, recordPaths, removeRecord } from './record-file.ts';
import { imageRecordSchema } from './schema.ts';
import type { ImageRecord } from './types.ts';

export function putImage(stateDir: string, record: ImageRecord): void {
  writeCheckedRecord(statePath.image(stateDir, record.manifestDigest), record);
}

/** Damaged records are left out: the next pull of the image writes its record again. */
export function listImageRecords(stateDir: string): ImageRecord[] {
  return recordPaths(statePath.images(stateDir)).flatMap((path) => {
    const record = readUnlessDamaged(() => readCheckedRecord(path, imageRecordSchema));
    return record !== undefined && statePath.image(stateDir, record.manifestDigest) === path ? [record] : [];
  });
}

/** Removes the records that {@link listImageRecords} leaves out. Only with the prune lock held. */
export function removeDamagedImageRecords(stateDir: string): void {
  const images = listImageRecords(stateDir);
  const whole = new Set(images.map(({ manifestDigest }) => statePath.image(stateDir, manifestDigest)));
  for (const path of recordPaths(statePath.images(stateDir))) if (!whole.has(path)) removeRecord(path);
}

export function removeImageRecord(stateDir: string, digest: Digest): void {
  removeRecord(statePath.image(stateDir, digest));
}
