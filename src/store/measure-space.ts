import { readFileSync, statfsSync } from 'node:fs';
import type { SpaceNeed, SpaceReport } from './types.ts';

/** File systems whose free space is free memory. */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** See {@link StoreOperations.measureSpace}. */
export function measureSpace({ dataDir, need }: { readonly dataDir: string; readonly need: SpaceNeed }): SpaceReport {
  const { type, bavail, bsize } = statfsSync(dataDir);
  const onDisk = bavail * bsize;
  if (type === RAMFS_MAGIC) return judgeSpace(need, availableMemory());
  return judgeSpace(need, type === TMPFS_MAGIC ? Math.min(onDisk, availableMemory()) : onDisk);
}

export function judgeSpace({ compressedBytes, estimatedBytes }: SpaceNeed, availableBytes: number): SpaceReport {
  if (compressedBytes > availableBytes) return { availableBytes, verdict: 'exhausted' };
  return { availableBytes, verdict: estimatedBytes > availableBytes ? 'tight' : 'fits' };
}

/** MemAvailable of https://docs.kernel.org/filesystems/proc.html#meminfo, in bytes. */
function availableMemory(): number {
  const kilobytes = /^MemAvailable:\s+([0-9]+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1];
  return kilobytes === undefined ? Number.POSITIVE_INFINITY : Number(kilobytes) * 1024;
}
