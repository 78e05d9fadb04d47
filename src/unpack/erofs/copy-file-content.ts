import { closeSync, constants, openSync, readSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import type { SystemPath } from '../../platform/index.ts';
import type { ImageFile } from './image-file.ts';

const BUFFER_BYTES = 256 * 1024;

/** Appends the `size` bytes of a file in a layer below, which must not change meanwhile. */
export function copyFileContent(source: SystemPath, size: number, image: ImageFile): void {
  if (size === 0) return;
  const buffer = Buffer.allocUnsafe(Math.min(size, BUFFER_BYTES));
  const fd = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (let left = size; left > 0; ) {
      const count = readSync(fd, buffer, 0, Math.min(left, buffer.length), null);
      if (count === 0) throw new SealiftError('INTERNAL', `copy ${source}: expected ${left} more bytes, got none`);
      image.append(buffer.subarray(0, count));
      left -= count;
    }
  } finally {
    closeSync(fd);
  }
}
