import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from './errno-of.ts';

/**
 * Makes a directory and those above it, unless something of its name exists. The recursive form of node:fs answers ENOENT
 * for a read-only file system, and does not return for one such as procfs, in which nothing can be made.
 */
export function makeDirectories(directory: string, mode: number): void {
  try {
    mkdirSync(directory, { mode });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    if (errnoOf(error) !== 'ENOENT' || existsSync(dirname(directory))) throw error;
    makeDirectories(dirname(directory), mode);
    mkdirSync(directory, { mode });
  }
}
