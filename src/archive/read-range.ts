import { readSync } from 'node:fs';
import type { FileRange } from '../layer/index.ts';
import { archiveFailed } from './archive-failed.ts';

/** Reads into all of `room` from `position` on; answers how much there was. */
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

/** The bytes of a small range; fewer where the file ends earlier. */
export function readRange({ fd, offset, length }: FileRange): Uint8Array {
  const room = Buffer.alloc(length);
  return room.subarray(0, readInto(fd, room, offset));
}

/** Passes a range on in pieces of at most `chunk.length`; the buffer is used again for each. */
export function* readPieces({ fd, offset, length }: FileRange, chunk: Buffer): Generator<Buffer> {
  for (let done = 0; done < length; ) {
    const count = readInto(fd, chunk.subarray(0, Math.min(chunk.length, length - done)), offset + done);
    if (count === 0) return;
    yield chunk.subarray(0, count);
    done += count;
  }
}
