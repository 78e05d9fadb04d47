import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from './errno-of.ts';

/** f_type of statfs(2) for file systems that lose their data without power. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x01021994, // tmpfs
  0x858458f6, // ramfs
]);

/** What statfs(2) answers for a path that does not exist or cannot: the call that makes it reports that. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** True if a reboot deletes what is written to `path`, or to the nearest existing directory above it. */
export function isInMemory(path: string): boolean {
  try {
    return MEMORY_FILE_SYSTEMS.has(statfsSync(path).type);
  } catch (error) {
    if (!ABSENT.has(errnoOf(error)) || dirname(path) === path) throw error;
    return isInMemory(dirname(path));
  }
}
