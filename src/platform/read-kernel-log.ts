import { readSync } from 'node:fs';
import { errnoOf } from './errno-of.ts';

/** Reads the kernel's messages about a failed call of the mount API from the descriptor of its context. */
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
