import { readSync } from 'node:fs';
import { errnoOf } from './errno-of.ts';

/** What the kernel has to say of a call of the mount API that failed. */
export function readKernelLog(fd: number): string {
  const room = Buffer.alloc(1024);
  const lines: string[] = [];
  try {
    while (lines.length < 16) lines.push(room.toString('utf8', 0, readSync(fd, room)).trim());
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
  return lines.join('; ');
}
