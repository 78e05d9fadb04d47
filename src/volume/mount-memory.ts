import type { MemorySize } from '../config/index.ts';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, mount, mountAt, readMemoryInfo, readMounts } from '../platform/index.ts';
import { prepareMountPoint, STORE_MOUNT_FLAGS } from './mount-volume.ts';
import { mountFailed } from './volume-failed.ts';

/** The source of our tmpfs, by which a later run recognises it. */
const SOURCE = 'sealift-image-memory';
const MIN_INODES = 16_384;
/** An inode costs about 1 KiB that `size` does not count; unpacked images have about one file per 40 KiB. */
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
    // With huge pages, small files would take many times the memory. A kernel without huge pages refuses the option.
    mountTmpfs(mountPoint, `${options},huge=never`) || mountTmpfs(mountPoint, options);
    if (mountAt(readMounts(), mountPoint)?.source === SOURCE) return;
    throw new SealiftError(
      'VOLUME_MOUNT_FAILED',
      `${action}: expected a tmpfs there, but the kernel refused its options`,
    );
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

/** Returns the bytes of the tmpfs, in whole pages. */
export function memoryBytes(size: MemorySize, totalBytes: number): number {
  const bytes = size.kind === 'bytes' ? size.bytes : Math.floor((totalBytes * size.percent) / 100);
  return bytes - (bytes % PAGE_BYTES);
}

export function memoryOptions(bytes: number): string {
  const inodes = Math.max(MIN_INODES, Math.ceil(bytes / BYTES_PER_INODE));
  return `size=${bytes},nr_inodes=${inodes},mode=0700`;
}

/** Returns a figure of /proc/meminfo in bytes. Throws `VOLUME_MOUNT_FAILED` when the kernel does not report it. */
export function memoryInfo(name: 'MemTotal' | 'MemAvailable'): number {
  const bytes = readMemoryInfo(name);
  if (bytes !== undefined) return bytes;
  throw new SealiftError('VOLUME_MOUNT_FAILED', `read /proc/meminfo: expected ${name}, got none`);
}
