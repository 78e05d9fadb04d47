import { isInMemory } from '../../../src/platform/index.ts';

/** A folder on a tmpfs, if the machine has one. */
export function memoryFolder(): string {
  const folder = ['/dev/shm', '/run', '/tmp'].find((each) => isInMemory(each));
  if (folder === undefined) throw new Error('expected a tmpfs on /dev/shm, /run or /tmp');
  return folder;
}
