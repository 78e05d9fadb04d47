import { readFileSync, statfsSync } from 'node:fs';
import type { SpaceFacts } from './types.ts';

/** File systems whose free space is free memory. */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** See {@link StoreOperations.measureSpace}. */
export function measureSpace({ dataDir }: { readonly dataDir: string }): SpaceFacts {
  const { type, blocks, bavail, bsize } = statfsSync(dataDir);
  const onDisk = { sizeBytes: blocks * bsize, availableBytes: bavail * bsize };
  if (type === RAMFS_MAGIC) return { sizeBytes: memoryLine('MemTotal'), availableBytes: memoryLine('MemAvailable') };
  if (type !== TMPFS_MAGIC) return onDisk;
  return { ...onDisk, availableBytes: Math.min(onDisk.availableBytes, memoryLine('MemAvailable')) };
}

/** A line of https://docs.kernel.org/filesystems/proc.html#meminfo, in bytes. */
function memoryLine(name: 'MemTotal' | 'MemAvailable'): number {
  const kilobytes = new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(readFileSync('/proc/meminfo', 'latin1'))?.[1];
  return kilobytes === undefined ? Number.POSITIVE_INFINITY : Number(kilobytes) * 1024;
}
