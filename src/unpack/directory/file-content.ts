import { closeSync, constants, openSync, readSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { dataRuns, type SystemPath } from '../../platform/index.ts';
import type { DataRun } from '../types.ts';

const BUFFER_BYTES = 256 * 1024;

/** A file in a layer below, which must not change meanwhile. */
export interface FileContent {
  readonly hasHoles: boolean;
  /** What is not a hole, in order. */
  readonly runs: readonly DataRun[];
  /** Writes the bytes of all runs; returns how many. */
  copyTo(sink: { write(chunk: Uint8Array): void }): number;
  close(): void;
}

/** Closes the file if it cannot be searched. */
function listRuns(fd: number, size: number): readonly DataRun[] {
  try {
    return [...dataRuns(fd, size)];
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Opens a file of `size` bytes. The caller closes it. */
export function openFileContent(source: SystemPath, size: number): FileContent {
  const fd = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW);
  const runs = listRuns(fd, size);
  const total = runs.reduce((sum, { length }) => sum + length, 0);
  return {
    hasHoles: total < size,
    runs,
    copyTo(sink) {
      const buffer = Buffer.allocUnsafe(Math.min(total, BUFFER_BYTES));
      for (const run of runs) copyRun(fd, run, { buffer, source, sink });
      return total;
    },
    close: () => closeSync(fd),
  };
}

interface Copying {
  readonly buffer: Buffer;
  readonly source: SystemPath;
  readonly sink: { write(chunk: Uint8Array): void };
}

function copyRun(fd: number, { offset, length }: DataRun, { buffer, source, sink }: Copying): void {
  for (let done = 0; done < length; ) {
    const count = readSync(fd, buffer, 0, Math.min(length - done, buffer.length), offset + done);
    if (count === 0) {
      throw new SealiftError('INTERNAL', `copy ${source}: expected ${length - done} more bytes, got none`);
    }
    sink.write(buffer.subarray(0, count));
    done += count;
  }
}
