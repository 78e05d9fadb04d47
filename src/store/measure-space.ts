import { statfsSync } from 'node:fs';
import { readMemoryInfo } from '../platform/index.ts';
import type { SpaceFacts } from './types.ts';

/** File systems that lie in memory (https://man7.org/linux/man-pages/man2/statfs.2.html). */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** See {@link StoreOperations.measureSpace}. */
export function measureSpace({ dataDir }: { readonly dataDir: string }): SpaceFacts {
  const { type, blocks, bavail, bsize } = statfsSync(dataDir);
  const onDisk = { sizeBytes: blocks * bsize, availableBytes: bavail * bsize };
  if (type === RAMFS_MAGIC) return { sizeBytes: memoryBytes('MemTotal'), availableBytes: memoryBytes('MemAvailable') };
  if (type !== TMPFS_MAGIC) return onDisk;
  return { ...onDisk, availableBytes: Math.min(onDisk.availableBytes, memoryBytes('MemAvailable')) };
}

function memoryBytes(name: 'MemTotal' | 'MemAvailable'): number {
  return readMemoryInfo(name) ?? Number.POSITIVE_INFINITY;
}
