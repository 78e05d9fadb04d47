import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, makeDirectories } from '../platform/index.ts';
import { storeFailed } from './store-failed.ts';

/** Errnos of a path at which no directory can be, and what they mean. */
const UNUSABLE: ReadonlyMap<string, string> = new Map([
  ['ENOTDIR', 'a path that leads through a file'],
  ['ELOOP', 'symlinks that lead in a circle'],
  ['ENAMETOOLONG', 'a name that is too long'],
]);

const OTHERS_WRITE = 0o022;

/**
 * Makes `directory` with mode 0700, or takes one that is ours already and closes it to others. Throws `STORE_INVALID` as
 * {@link assertPrivate} does.
 */
export function claimDirectory(directory: string): void {
  const at = { fileSystem: 'state', directory: dirname(directory) } as const;
  try {
    makeDirectories(directory, 0o700);
  } catch (error) {
    const actual = UNUSABLE.get(errnoOf(error) ?? '');
    if (actual !== undefined) throw directoryInvalid(directory, 'a path that can be a directory', actual);
    throw storeFailed(`make store directory ${directory}`, error, at);
  }
  const mode = assertPrivate(directory);
  if (mode === 0o700) return;
  try {
    chmodSync(directory, 0o700);
  } catch (error) {
    throw storeFailed(`close store directory ${directory}`, error, at);
  }
}

/**
 * Returns the mode of a directory that only we can write to. Throws `STORE_INVALID` for anything else: what lies there
 * could have been planted.
 */
export function assertPrivate(directory: string): number {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found === undefined) throw directoryInvalid(directory, 'a directory', 'nothing');
  if (!found.isDirectory()) throw directoryInvalid(directory, 'a directory that is no symlink', 'something else');
  const self = process.geteuid?.() ?? 0;
  if (found.uid !== self) throw directoryInvalid(directory, `owner ${self}`, `owner ${found.uid}`);
  const mode = found.mode & 0o7777;
  if ((mode & OTHERS_WRITE) !== 0) throw directoryInvalid(directory, 'mode 0700', `mode 0${mode.toString(8)}`);
  return mode;
}

export function claimLayout(directory: string, layout: readonly string[]): void {
  for (const name of layout) claimDirectory(join(directory, name));
}

/** Throws `STORE_INVALID` when `directory` contains a name that a store does not use. */
export function assertOnlyKnown(directory: string, isKnown: (name: string) => boolean): void {
  const foreign = readdirSync(directory).find((name) => !isKnown(name));
  if (foreign !== undefined) throw directoryInvalid(directory, 'a store or an empty directory', `foreign "${foreign}"`);
}

export function directoryInvalid(directory: string, expected: string, actual: string): SealiftError {
  return new SealiftError('STORE_INVALID', `open store directory ${directory}: expected ${expected}, got ${actual}`, {
    context: { path: directory, expected, actual },
  });
}
