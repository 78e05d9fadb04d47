import { SealiftError } from '../../errors/index.ts';
import type { TarEntry } from '../types.ts';

/** The kernel's dev_t holds 12 and 20 bits (include/linux/kdev_t.h). */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

export interface Device {
  readonly type: 'char' | 'block' | 'fifo';
  readonly major: number;
  readonly minor: number;
}

/** Throws UNPACK_ENTRY_INVALID for numbers that the kernel cannot hold, and for 0:0, overlayfs's own whiteout. */
export function parseDevice(entry: TarEntry, type: Device['type']): Device {
  const { devmajor: major, devminor: minor } = entry;
  if (type !== 'fifo' && (major > MAX_MAJOR || minor > MAX_MINOR || major < 0 || minor < 0)) {
    throw new SealiftError(
      'UNPACK_ENTRY_INVALID',
      `expected a device up to ${MAX_MAJOR}:${MAX_MINOR}, got ${major}:${minor}`,
    );
  }
  if (type === 'char' && major === 0 && minor === 0) {
    throw new SealiftError(
      'UNPACK_ENTRY_INVALID',
      'expected a character device other than 0:0, which overlayfs reads as a whiteout',
    );
  }
  return { type, major, minor };
}
