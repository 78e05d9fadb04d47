import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { assertOnlyKnown, claimDirectory, claimLayout, directoryInvalid } from './claim-directory.ts';
import { readJsonRecord, writeJsonRecord } from './json-record.ts';
import { STATE_DIRECTORIES, STORE_LOCK, statePath } from './layout.ts';
import { isHalfWritten, removeHalfWritten, removeRecord } from './record-file.ts';
import { storeMarkerSchema } from './schema.ts';

const STORE_FORMAT = 1;

/** Creates or claims `stateDir`, as far as that is safe before any lock is held. Throws `STORE_INVALID`. */
export function claimState(stateDir: string): void {
  claimDirectory(stateDir);
  if (!existsSync(statePath.marker(stateDir))) {
    assertOnlyKnown(
      stateDir,
      (name) => name === 'lock' || isHalfWritten(name) || existsSync(statePath.marker(stateDir)),
    );
  }
  claimDirectory(statePath.locks(stateDir));
}

/** Returns the boot that the index belongs to; undefined for a new store. Throws `STORE_INVALID` for another format. */
export function readBootId(stateDir: string): string | undefined {
  const marker = readMarker(stateDir);
  if (marker === undefined) return undefined;
  if (marker.format !== STORE_FORMAT) {
    throw directoryInvalid(stateDir, `store format ${STORE_FORMAT}`, `format ${marker.format}`);
  }
  return marker.bootId;
}

function readMarker(stateDir: string) {
  try {
    return readJsonRecord(statePath.marker(stateDir), storeMarkerSchema);
  } catch (error) {
    if (error instanceof SealiftError && error.code === 'STORE_RECORD_CORRUPT') {
      throw directoryInvalid(stateDir, 'a store.json of ours', error.message);
    }
    throw error;
  }
}

/** Removes the index and begins another for `bootId`. Only under the exclusive lock of the store. */
export function resetState(stateDir: string, bootId: string): void {
  writeJsonRecord(statePath.marker(stateDir), { format: STORE_FORMAT, bootId: '' });
  for (const name of STATE_DIRECTORIES) if (name !== 'lock') removeRecord(join(stateDir, name));
  claimLayout(stateDir, STATE_DIRECTORIES);
  // The id is written last, so that a reset that was interrupted is done again.
  markBoot(stateDir, bootId);
}

/** Records that the index belongs to `bootId`. Only under the exclusive lock of the store. */
export function markBoot(stateDir: string, bootId: string): void {
  writeJsonRecord(statePath.marker(stateDir), { format: STORE_FORMAT, bootId });
}

/** Removes what writers left that were killed. Only under the exclusive lock of the store. */
export function tidyState(stateDir: string): void {
  claimLayout(stateDir, STATE_DIRECTORIES);
  for (const name of ['.', ...STATE_DIRECTORIES]) removeHalfWritten(join(stateDir, name));
  const locks = statePath.locks(stateDir);
  for (const name of readdirSync(locks)) if (name !== STORE_LOCK) removeRecord(join(locks, name));
}
