import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, isInMemory } from '../platform/index.ts';
import { volumeRecordSchema } from './schema.ts';
import type { KnownVolume, VolumeRecord } from './types.ts';

/** The files of the volume in the state directory. */
export interface VolumeStateDirectory {
  readonly lockPath: string;
  readonly headerPath: string;
  /** Returns undefined when there is no record, or only one of another boot. */
  readRecord(): KnownVolume | undefined;
  writeRecord(record: KnownVolume): void;
  removeRecord(): void;
}

/**
 * Creates the directory. Throws `VOLUME_STATE_INVALID` when the directory, or its nearest parent that exists, is not on
 * a tmpfs.
 */
export function openState(stateDir: string, bootId: string): VolumeStateDirectory {
  if (!isInMemory(stateDir)) {
    throw new SealiftError('VOLUME_STATE_INVALID', `volume: expected ${stateDir} on a tmpfs, got another file system`, {
      context: { path: stateDir },
    });
  }
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = recordPath(stateDir);
  return {
    lockPath: `${stateDir}/volume.lock`,
    headerPath: `${stateDir}/volume.header`,
    readRecord: () => readKnownVolume(stateDir, bootId),
    writeRecord: (record) => {
      const beside = `${path}.beside`;
      writeFileSync(beside, JSON.stringify({ format: 1, bootId, ...record }), { mode: 0o600 });
      renameSync(beside, path);
    },
    removeRecord: () => rmSync(path, { force: true }),
  };
}

/** Returns the record that the daemon wrote in this boot, for processes that only read it. */
export function readKnownVolume(stateDir: string, bootId: string): KnownVolume | undefined {
  const record = parseRecord(recordPath(stateDir));
  return record?.bootId === bootId ? record : undefined;
}

function recordPath(stateDir: string): string {
  return `${stateDir}/volume.json`;
}

/** A record that cannot be parsed counts as none: the mappings are found by their names, and removed. */
function parseRecord(path: string): VolumeRecord | undefined {
  const text = readUnlessAbsent(path);
  if (text === undefined) return undefined;
  try {
    const parsed = volumeRecordSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readUnlessAbsent(path: string): string | undefined {
  try {
    return readFileSync(path).toString('utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
