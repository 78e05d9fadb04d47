import { writeSync } from 'node:fs';

/** Writes all bytes with as many calls as needed: at a position, or at null behind what was written last. */
export function writeAll(fd: number, bytes: Uint8Array, position: number | null): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, bytes.length - at, position === null ? null : position + at);
  }
}
