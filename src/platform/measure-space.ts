import { statfsSync } from 'node:fs';
import { readMemoryInfo } from './memory-info.ts';

/** File systems that lie in memory (https://man7.org/linux/man-pages/man2/statfs.2.html). */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** The space of a file system, in bytes. */
export interface FileSystemSpace {
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** For a file system in memory, at most the memory that the machine has available. */
  readonly availableBytes: number;
}

/** Measures the file system that `directory` lies on. A ramfs has no size of its own, so the machine's memory is its. */
export function measureSpace(directory: string): FileSystemSpace {
  const { type, blocks, bfree, bavail, bsize } = statfsSync(directory);
  const usedBytes = (blocks - bfree) * bsize;
  if (type === RAMFS_MAGIC) {
    return { sizeBytes: memoryBytes('MemTotal'), usedBytes, availableBytes: memoryBytes('MemAvailable') };
  }
  const free = bavail * bsize;
  const availableBytes = type === TMPFS_MAGIC ? Math.min(free, memoryBytes('MemAvailable')) : free;
  return { sizeBytes: blocks * bsize, usedBytes, availableBytes };
}

/** Returns the number of free inodes; undefined where the file system has no fixed number of them. */
export function measureFreeInodes(directory: string): number | undefined {
  const { files, ffree } = statfsSync(directory);
  return files === 0 ? undefined : ffree;
}

function memoryBytes(name: 'MemTotal' | 'MemAvailable'): number {
  return readMemoryInfo(name) ?? Number.POSITIVE_INFINITY;
}
