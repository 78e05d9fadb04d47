import { readSync } from 'node:fs';
import type { FileRange } from '../layer/index.ts';
import { archiveFailed } from './archive-failed.ts';

/** Fills `room` with bytes from `position` on and returns how many there were; fewer only at the end of the file. */
export function readInto(fd: number, room: Buffer, position: number): number {
  let length = 0;
  try {
    while (length < room.length) {
      const count = readSync(fd, room, length, room.length - length, position + length);
      if (count === 0) break;
      length += count;
    }
  } catch (error) {
    throw archiveFailed(`read at byte ${position + length}`, error);
  }
  return length;
}

/** Reads a small range whole; the result is shorter where the file ends earlier. */
export function readRange({ fd, offset, length }: FileRange): Uint8Array {
  const room = Buffer.alloc(length);
  return room.subarray(0, readInto(fd, room, offset));
}

/**
 * Yields a range in pieces of at most `chunk.length` bytes; each piece lies in `chunk`, which the next one overwrites.
 */
export function* readPieces({ fd, offset, length }: FileRange, chunk: Buffer): Generator<Buffer> {
  for (let done = 0; done < length; ) {
    const count = readInto(fd, chunk.subarray(0, Math.min(chunk.length, length - done)), offset + done);
    if (count === 0) return;
    yield chunk.subarray(0, count);
    done += count;
  }
}
