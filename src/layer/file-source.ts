import { readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { SealiftError } from '../errors/index.ts';
import { assertInside, type BlobDelivery, type BlobSource } from '../http/index.ts';
import type { FileRange } from './types.ts';

const CHUNK_BYTES = 256 * 1024;
/** After this many bytes the thread handles messages: a cancel, or the next task. */
const STEP_BYTES = 4 * 1024 * 1024;

/**
 * The source of a blob that is a part of an open file. `open` ends early if the file is shorter, which the stage that
 * counts bytes reports. Both throw `ARCHIVE_READ_FAILED`, `PULL_CANCELLED`, or what `write` threw.
 */
export function createFileSource({ fd, offset, length }: FileRange): BlobSource {
  return {
    open: async (delivery) => {
      await deliverFile({ fd, offset, length }, delivery);
    },
    range: async ({ first, last }, delivery) => {
      assertInside({ first, last }, length);
      const wanted = last + 1 - first;
      const delivered = await deliverFile({ fd, offset: offset + first, length: wanted }, delivery);
      if (delivered === wanted) return;
      const position = offset + first + delivered;
      throw new SealiftError(
        'ARCHIVE_READ_FAILED',
        `read layer at byte ${position}: expected ${wanted - delivered} more bytes, got the end of the file`,
      );
    },
  };
}

/** Returns how many bytes it delivered: fewer than `length` if the file ends early. */
async function deliverFile({ fd, offset, length }: FileRange, { write, signal }: BlobDelivery): Promise<number> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let nextStep = 0;
  let done = 0;
  while (done < length) {
    if (done >= nextStep) {
      await setImmediate();
      if (signal.aborted) throw new SealiftError('PULL_CANCELLED', 'read layer: cancelled', { cause: signal.reason });
      nextStep = done + STEP_BYTES;
    }
    const count = readPart(fd, chunk.subarray(0, Math.min(CHUNK_BYTES, length - done)), offset + done);
    if (count === 0) break;
    const pending = write(chunk.subarray(0, count));
    if (pending !== undefined) await pending;
    done += count;
  }
  return done;
}

function readPart(fd: number, room: Buffer, position: number): number {
  try {
    return readSync(fd, room, 0, room.length, position);
  } catch (cause) {
    throw new SealiftError('ARCHIVE_READ_FAILED', `read layer at byte ${position}: ${String(cause)}`, { cause });
  }
}
