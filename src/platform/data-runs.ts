import { errnoOf } from './errno-of.ts';
import { seek } from './syscalls.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** A part of a file that is not a hole. */
export interface FileRun {
  readonly offset: number;
  readonly length: number;
}

/** Yields the parts of an open file that may have other bytes than zeros, in order. A file without holes is one part. */
export function* dataRuns(fd: number, size: number): Generator<FileRun> {
  for (let at = 0; at < size; ) {
    const offset = seekData(fd, at);
    if (offset === undefined || offset >= size) return;
    const end = Math.min(size, seek(fd, offset, SEEK_HOLE));
    yield { offset, length: end - offset };
    at = end;
  }
}

/** Undefined when only a hole follows. */
function seekData(fd: number, from: number): number | undefined {
  try {
    return seek(fd, from, SEEK_DATA);
  } catch (error) {
    if (errnoOf(error) === 'ENXIO') return undefined;
    throw error;
  }
}
