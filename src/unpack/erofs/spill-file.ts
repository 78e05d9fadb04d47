import { closeSync, constants, openSync, readSync, unlinkSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { writeAll } from '../../platform/index.ts';

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_RDWR;
const OWNER_ONLY = 0o600;
const BUFFER_BYTES = 256 * 1024;

/** A file without a name, for bytes that are needed again before the layer ends. It is gone when it is closed. */
export interface SpillFile {
  append(bytes: Uint8Array): void;
  /** Yields everything that was appended, in one buffer that each step overwrites. */
  read(): Generator<Uint8Array>;
  /** Call once. */
  close(): void;
}

/** Creates the file at `path` and removes its name. The errors are those of the system calls. */
export function openSpillFile(path: string): SpillFile {
  const fd = openSync(path, CREATE, OWNER_ONLY);
  let size = 0;
  try {
    unlinkSync(path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return {
    append(bytes) {
      writeAll(fd, bytes, size);
      size += bytes.length;
    },
    *read() {
      const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
      for (let at = 0; at < size; ) {
        const count = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), at);
        if (count === 0) throw new SealiftError('INTERNAL', `read back: expected ${size - at} more bytes, got none`);
        yield buffer.subarray(0, count);
        at += count;
      }
    },
    close: () => closeSync(fd),
  };
}
