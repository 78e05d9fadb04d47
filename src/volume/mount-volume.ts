import { chmodSync, lstatSync, mkdirSync, realpathSync, rmdirSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, MS, mount, mountAt, readDirect, readMounts, umount } from '../platform/index.ts';
import type { MappingFacts, VolumePurpose } from './types.ts';
import { deviceFailed, mountFailed } from './volume-failed.ts';

interface VolumeMount {
  readonly mapping: MappingFacts;
  readonly mountPoint: string;
}

/** How the file system of a purpose is mounted, and the mode of its root directory. */
interface MountForm {
  readonly flags: number;
  readonly mode: number;
}

/** The kernel's overlay and EROFS alone read these files, and the flags of their own mounts decide what may run. */
export const STORE_MOUNT_FLAGS = MS.NOATIME | MS.NODEV | MS.NOSUID | MS.NOEXEC;

/**
 * Containers have an `emptyDir` through a bind mount, which keeps the flags: programs and devices in it work as they do
 * in any other `emptyDir`, and any user may write there, as the kubelet makes it.
 */
const MOUNT_FORMS: Readonly<Record<VolumePurpose, MountForm>> = {
  imageStore: { flags: STORE_MOUNT_FLAGS, mode: 0o700 },
  emptyDir: { flags: MS.NOATIME, mode: 0o777 },
};

/** See `VolumeOperations.mountVolume`. */
export function mountVolume({ mapping, mountPoint, purpose }: VolumeMount & { readonly purpose: VolumePurpose }): void {
  const action = `mount ${mapping.name} on ${mountPoint}`;
  const { flags, mode } = MOUNT_FORMS[purpose];
  try {
    prepareMountPoint(mountPoint, action);
    mount({
      source: mapping.path,
      target: mountPoint,
      type: 'ext4',
      flags,
      data: 'errors=remount-ro',
    });
    try {
      if (mountAt(readMounts(), mountPoint)?.deviceId !== mapping.deviceId) {
        throw new SealiftError(
          'VOLUME_MOUNT_FAILED',
          `${action}: expected ${mapping.deviceId} there, got another device`,
        );
      }
      chmodSync(mountPoint, mode);
      // e2fsck, which uses this directory, never runs here, and users of the volume expect an empty directory.
      rmdirSync(`${mountPoint}/lost+found`);
    } catch (error) {
      umount(mountPoint);
      throw error;
    }
  } catch (error) {
    throw mountFailed(action, error);
  }
}

/** Creates the directory. Throws `VOLUME_MOUNT_FAILED` when its path has a link or something is mounted there. */
export function prepareMountPoint(mountPoint: string, action: string): void {
  mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
  const actual = realpathSync(mountPoint);
  if (actual !== mountPoint || !lstatSync(mountPoint).isDirectory()) {
    throw new SealiftError('VOLUME_MOUNT_FAILED', `${action}: expected no link in the path, got one to ${actual}`);
  }
  const present = mountAt(readMounts(), mountPoint);
  if (present === undefined) return;
  throw new SealiftError('VOLUME_MOUNT_FAILED', `${action}: expected nothing to be mounted there, got ${present.type}`);
}

/** See `VolumeOperations.isVolumeAlive`. */
export function isVolumeAlive({ mapping, mountPoint }: VolumeMount): boolean {
  if (mountAt(readMounts(), mountPoint)?.deviceId !== mapping.deviceId) return false;
  try {
    readDirect(mapping.path, 0);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENXIO' || errnoOf(error) === 'ENODEV') return false;
    throw deviceFailed(`read ${mapping.name}`, error);
  }
}
