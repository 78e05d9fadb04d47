import { SealiftError } from '../errors/index.ts';
import { errnoOf, mount, mountAt, readMemoryInfo, readMounts } from '../platform/index.ts';
import { prepareMountPoint, STORE_MOUNT_FLAGS } from './mount-volume.ts';
import type { MemorySize } from './types.ts';
import { mountFailed } from './volume-failed.ts';

/** The source by which the daemon recognises its own mount. */
const SOURCE = 'sealift-image-memory';
const MIN_INODES = 16_384;
/** An inode costs about 1 KiB that `size` does not count; unpacked images have a file for each 40 KiB. */
const BYTES_PER_INODE = 8 * 1024;
const PAGE_BYTES = 4096;

/** See `VolumeOperations.mountMemory`. */
export function mountMemory(request: { readonly mountPoint: string; readonly size: MemorySize }): void {
  const { mountPoint, size } = request;
  const action = `mount memory on ${mountPoint}`;
  try {
    const present = mountAt(readMounts(), mountPoint);
    if (present?.type === 'tmpfs' && present.source === SOURCE) return;
    prepareMountPoint(mountPoint, action);
    const options = memoryOptions(memoryBytes(size, memoryInfo('MemTotal')));
    // A huge page for each small file would take many times the memory; a kernel without them does not know the option.
    mountTmpfs(mountPoint, `${options},huge=never`) || mountTmpfs(mountPoint, options);
    if (mountAt(readMounts(), mountPoint)?.source === SOURCE) return;
    throw new SealiftError('VOLUME_MOUNT_FAILED', `${action}: expected a tmpfs there, the kernel refused its options`);
  } catch (error) {
    throw mountFailed(action, error);
  }
}

function mountTmpfs(target: string, data: string): boolean {
  try {
    mount({ source: SOURCE, target, type: 'tmpfs', flags: STORE_MOUNT_FLAGS, data });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return false;
    throw error;
  }
}

export function memoryBytes(size: MemorySize, totalBytes: number): number {
  const bytes = size.kind === 'bytes' ? size.bytes : Math.floor((totalBytes * size.percent) / 100);
  return bytes - (bytes % PAGE_BYTES);
}

export function memoryOptions(bytes: number): string {
  const inodes = Math.max(MIN_INODES, Math.ceil(bytes / BYTES_PER_INODE));
  return `size=${bytes},nr_inodes=${inodes},mode=0700`;
}

/** Throws `VOLUME_MOUNT_FAILED` for a kernel without such a line. */
export function memoryInfo(name: 'MemTotal' | 'MemAvailable'): number {
  const bytes = readMemoryInfo(name);
  if (bytes !== undefined) return bytes;
  throw new SealiftError('VOLUME_MOUNT_FAILED', `read /proc/meminfo: expected ${name}, got none`);
}
