import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** f_type of statfs(2) for file systems that a power cut empties. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x01021994, // tmpfs
  0x858458f6, // ramfs
]);

/** Whether what is written to `path`, or to the nearest directory above it that exists, is gone after a reboot. */
export function isInMemory(path: string): boolean {
  try {
    return MEMORY_FILE_SYSTEMS.has(statfsSync(path).type);
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isAbsent || dirname(path) === path) throw error;
    return isInMemory(dirname(path));
  }
}
