import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SealiftError } from '../errors/index.ts';

const OWNER_WRITES = 0o200;

export interface StagedDirectory {
  /** A private directory beside the target, on the same file system. */
  readonly directory: string;
  /** Renames the tree to the target. Throws `UNPACK_TARGET_INVALID` when the target has been filled meanwhile. */
  publish(): void;
  /** Removes what was staged; does nothing after `publish`. */
  discard(): void;
}

/** Makes a directory for a tree that appears at `target` whole or not at all. Throws `UNPACK_TARGET_INVALID`. */
export function stageDirectory(target: string): StagedDirectory {
  const path = resolve(target);
  assertFree(path);
  const parent = join(dirname(path), `.${basename(path)}.sealift-${randomBytes(6).toString('hex')}`);
  const directory = join(parent, 'tree');
  try {
    mkdirSync(parent, { mode: 0o700 });
    // A setgid bit of the directory around it would be inherited by everything that is made inside.
    chmodSync(parent, 0o700);
    mkdirSync(directory, { mode: 0o755 });
  } catch (error) {
    throw refuse(path, `its parent directory cannot be written to${errnoText(error)}`, error);
  }
  return {
    directory,
    publish() {
      try {
        moveTree(directory, path);
      } catch (error) {
        throw refuse(path, 'expected it to be still absent or empty', error);
      }
    },
    discard: () => removeTree(parent),
  };
}

function assertFree(path: string): void {
  const stat = lstatTarget(path);
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw refuse(path, 'expected a directory or nothing, got a file');
  if (readdirSync(path).length > 0) throw refuse(path, 'expected an empty directory, got one with entries');
}

function lstatTarget(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw refuse(path, `expected a path that can be a directory${errnoText(error)}`, error);
  }
}

function errnoText(error: unknown): string {
  return error instanceof Error && 'code' in error ? `, got ${error.code}` : '';
}

function refuse(path: string, detail: string, cause?: unknown): SealiftError {
  return new SealiftError('UNPACK_TARGET_INVALID', `unpack into ${path}: ${detail}`, { context: { path }, cause });
}

/** Without root, a directory can be moved to another parent only while its owner may write to it. */
function moveTree(from: string, to: string): void {
  const mode = lstatSync(from).mode & 0o7777;
  const isClosed = (mode & OWNER_WRITES) === 0;
  if (isClosed) chmodSync(from, mode | OWNER_WRITES);
  renameSync(from, to);
  if (isClosed) chmodSync(to, mode);
}

/** A tree of an image may have directories that their owner cannot write to, which only stops users other than root. */
function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Without root: make everything writable from the top down, then remove it.
    makeWritable(Buffer.from(path));
    rmSync(path, { recursive: true, force: true });
  }
}

function makeWritable(directory: Buffer): void {
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { encoding: 'buffer', withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(Buffer.concat([directory, Buffer.from('/'), entry.name]));
  }
}
