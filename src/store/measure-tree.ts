import { type Dirent, lstatSync, readdirSync, type Stats } from 'node:fs';
import { errnoOf, withReachablePath } from '../platform/index.ts';

/** Unit of st_blocks, whatever the file system: https://man7.org/linux/man-pages/man3/stat.3type.html */
export const BLOCK_BYTES = 512;

const LISTED = { withFileTypes: true, encoding: 'buffer' } as const;
const SLASH = Buffer.from('/');

/**
 * Returns the bytes that a tree or file uses on its file system. Hard-linked files count once; names that are removed
 * meanwhile do not count.
 */
export function measureTree(root: string): number {
  const linked = new Set<string>();
  const pending = [Buffer.from(root)];
  let blocks = 0;
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    blocks += lstatUnlessGone(directory)?.blocks ?? 0;
    for (const entry of listUnlessGone(directory)) {
      const path = Buffer.concat([directory, SLASH, entry.name]);
      if (entry.isDirectory()) pending.push(path);
      else blocks += countFile(path, linked);
    }
  }
  return blocks * BLOCK_BYTES;
}

function countFile(path: Buffer, linked: Set<string>): number {
  const found = lstatUnlessGone(path);
  if (found === undefined) return 0;
  if (found.nlink > 1) {
    const inode = `${found.dev}:${found.ino}`;
    if (linked.has(inode)) return 0;
    linked.add(inode);
  }
  return found.blocks;
}

function lstatUnlessGone(path: Buffer): Stats | undefined {
  try {
    return withReachablePath(path, (at) => lstatSync(at, { throwIfNoEntry: false }));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function listUnlessGone(directory: Buffer): Dirent<Buffer>[] {
  try {
    return withReachablePath(directory, (at) => readdirSync(at, LISTED));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
