import { readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { SealiftError } from '../errors/index.ts';
import type { BlobStream } from '../http/index.ts';
import type { FileRange } from './types.ts';

const CHUNK_BYTES = 256 * 1024;
/** Between steps of so many bytes the thread hears of a cancel, and begins what was sent to it meanwhile. */
const STEP_BYTES = 4 * 1024 * 1024;

/**
 * Writes what lies in a range of an open file, in order. A file that is shorter ends early: whoever counts the bytes
 * tells. Throws `ARCHIVE_READ_FAILED`, `PULL_CANCELLED`, or what `write` threw.
 */
export async function streamFile(
  { fd, offset, length }: FileRange,
  { write, signal }: Pick<BlobStream, 'write' | 'signal'>,
): Promise<void> {
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let nextStep = 0;
  for (let done = 0; done < length; ) {
    if (done >= nextStep) {
      await setImmediate();
      if (signal.aborted) throw new SealiftError('PULL_CANCELLED', 'read layer: cancelled', { cause: signal.reason });
      nextStep = done + STEP_BYTES;
    }
    const count = readPart(fd, chunk.subarray(0, Math.min(CHUNK_BYTES, length - done)), offset + done);
    if (count === 0) return;
    const pending = write(chunk.subarray(0, count));
    if (pending !== undefined) await pending;
    done += count;
  }
}

function readPart(fd: number, room: Buffer, position: number): number {
  try {
    return readSync(fd, room, 0, room.length, position);
  } catch (cause) {
    throw new SealiftError('ARCHIVE_READ_FAILED', `read layer at byte ${position}: ${String(cause)}`, { cause });
  }
}
