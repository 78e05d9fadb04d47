import { readFileSync } from 'node:fs';
import { mustRun } from './commands.ts';

/** Mount points at or below `folder`, in this mount namespace. */
export function mountsBelow(folder: string): string[] {
  // Decoded afterwards, for the reason that src/platform/mountinfo.ts gives.
  return readFileSync('/proc/self/mountinfo')
    .toString('utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mountPoint) => mountPoint === folder || mountPoint.startsWith(`${folder}/`));
}

/** Takes away what a failed test left mounted, innermost first. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const mountPoint of mountsBelow(folder).toReversed()) await mustRun('umount', ['-l', mountPoint]);
}
