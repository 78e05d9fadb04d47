import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** f_type of statfs(2) for file systems that lose their data without power. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x01021994, // tmpfs
  0x858458f6, // ramfs
]);

/** True if a reboot deletes what is written to `path`, or to the nearest existing directory above it. */
export function isInMemory(path: string): boolean {
  try {
    return MEMORY_FILE_SYSTEMS.has(statfsSync(path).type);
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isAbsent || dirname(path) === path) throw error;
    return isInMemory(dirname(path));
  }
}
