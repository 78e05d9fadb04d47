import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { errnoOf } from '../platform/index.ts';
import { storeFailed } from './store-failed.ts';

/** Prefix of the names of half-written records; no record has such a name. */
const BESIDE = '.beside-';

/** Writes a record atomically: readers see the old one or the new one. */
export function writeRecord(path: string, content: Uint8Array | string): void {
  const bytes = Buffer.byteLength(content);
  if (bytes > DEFAULT_LIMITS.maxRecordBytes) {
    throw new SealiftError(
      'LAYER_LIMIT_EXCEEDED',
      `write record ${basename(path)}: expected at most ${DEFAULT_LIMITS.maxRecordBytes} bytes, got ${bytes}`,
      { context: { limit: 'maxRecordBytes', expected: DEFAULT_LIMITS.maxRecordBytes, actual: bytes } },
    );
  }
  const beside = join(dirname(path), `${BESIDE}${randomBytes(8).toString('hex')}`);
  replaceRecord(path, beside, () => writeFileSync(beside, content, { flag: 'wx', mode: 0o600 }));
}

/** Writes a record to the path `beside`, which is in the same directory, and moves it. Removes it when either fails. */
export function replaceRecord(path: string, beside: string, write: () => void): void {
  try {
    write();
    moveRecord(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw storeFailed(`write record ${path}`, error, { fileSystem: 'state', directory: dirname(path) });
  }
}

/** Returns the path beside a layer's record at which its staging `name` gathers facts until it is published. */
export function stagedFactsPath(layersDir: string, name: string): string {
  return join(layersDir, `${BESIDE}${name}`);
}

/** Returns the names of the stagings that have such a file. */
export function listStagedFacts(layersDir: string): string[] {
  return readdirSync(layersDir)
    .filter(isHalfWritten)
    .map((name) => name.slice(BESIDE.length));
}

/** Renames over any file; a directory at the target, which no store creates, is removed first. */
function moveRecord(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EISDIR') throw error;
    removeRecord(to);
    renameSync(from, to);
  }
}

/** Undefined when there is none; throws `STORE_RECORD_CORRUPT` for anything but a file within the limit. */
export function readRecord(path: string): Buffer | undefined {
  const fd = openRecord(path);
  if (fd === undefined) return undefined;
  try {
    const found = fstatSync(fd);
    if (found.size > DEFAULT_LIMITS.maxRecordBytes) throw recordCorrupt(path, `has ${found.size} bytes`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Opens a record, which the caller closes. Undefined when there is none; throws `STORE_RECORD_CORRUPT` for no file. */
export function openRecord(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw recordCorrupt(path, `cannot be opened (${errnoOf(error)})`);
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw recordCorrupt(path, 'is not a file');
}

export function removeRecord(path: string): void {
  rmSync(path, { force: true, recursive: true });
}

/** Returns the names of the records in a directory, without half-written ones. */
export function listRecords(directory: string): string[] {
  return readdirSync(directory).filter((name) => !isHalfWritten(name));
}

/** Returns the paths of the JSON records in a directory. */
export function recordPaths(directory: string): string[] {
  return listRecords(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(directory, name));
}

/** Undefined for a damaged record, for callers to which that is the same as none. */
export function readUnlessDamaged<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SealiftError && error.code === 'STORE_RECORD_CORRUPT') return undefined;
    throw error;
  }
}

export function isHalfWritten(name: string): boolean {
  return name.startsWith(BESIDE);
}

/** Removes what killed writers left. Only under the exclusive lock of the store. */
export function removeHalfWritten(directory: string): void {
  for (const name of readdirSync(directory)) if (isHalfWritten(name)) removeRecord(join(directory, name));
}

export function recordCorrupt(path: string, actual: string): SealiftError {
  return new SealiftError('STORE_RECORD_CORRUPT', `read record ${path}: expected an intact record, but it ${actual}`, {
    context: { path },
  });
}
