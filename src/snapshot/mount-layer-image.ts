import { closeSync, constants, mkdirSync, openSync, rmdirSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import {
  type AttachedLoop,
  attachLoop,
  type Backing,
  closeFd,
  describeBacking,
  errnoOf,
  MNT,
  moveMount,
  openLoopOf,
  umount,
} from '../platform/index.ts';
import { layerMountPoint, mountedLoop } from './layer-mount-point.ts';
import { mountFailed } from './mount-failed.ts';
import { openErofs } from './open-erofs.ts';
import type { LayerImageRequest, LayerSweep, MountedLayerImage } from './types.ts';
import { withMountsLock } from './with-mounts-lock.ts';

/** See {@link SnapshotOperations.mountLayerImage}. */
export function mountLayerImage(request: LayerImageRequest): MountedLayerImage {
  const { image, imageBytes, mountsDir, key } = request;
  const place = layerMountPoint(mountsDir, key);
  return withMountsLock(mountsDir, () => {
    try {
      return withBacking(image, imageBytes, (backing) => mountBacking(backing, place));
    } catch (error) {
      throw mountFailed(`mount layer ${key}`, error);
    }
  });
}

function withBacking<Result>(image: string, bytes: number | undefined, use: (backing: Backing) => Result): Result {
  const fd = openSync(image, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return use(describeBacking(fd, image, bytes));
  } finally {
    closeSync(fd);
  }
}

function mountBacking(backing: Backing, place: string): MountedLayerImage {
  const present = mountedLoop(place);
  const loop = (present === undefined ? undefined : openLoopOf(present, backing)) ?? attachLoop(backing);
  try {
    // An older copy of the layer, whose file is gone, may still be mounted there: it is covered, so that nobody who is
    // about to use it finds an empty directory, and unmounted with this one.
    if (present === undefined || loop.path !== `/dev/${present}`) mountLoop(loop, place);
    return { directory: place, directIo: loop.directIo };
  } finally {
    // From here on the mount alone keeps the device; without one it is free again.
    closeSync(loop.fd);
  }
}

function mountLoop(loop: AttachedLoop, place: string): void {
  const mountFd = openErofs(loop.path);
  try {
    const isNew = mkdirUnlessPresent(place);
    try {
      moveMount(mountFd, place);
    } catch (error) {
      if (isNew) rmdirSync(place);
      throw error;
    }
  } finally {
    closeFd(mountFd);
  }
}

function mkdirUnlessPresent(place: string): boolean {
  return mkdirSync(place, { recursive: true, mode: 0o700 }) !== undefined;
}

/** See {@link SnapshotOperations.unmountLayerImage}. */
export function unmountLayerImage(request: { readonly mountsDir: string; readonly key: string }): boolean {
  const { mountsDir, key } = request;
  const { unmounted, busy } = sweepLayerMounts({ mountsDir, keys: [key] });
  if (busy.length === 0) return unmounted.length > 0;
  throw new SealiftError('SNAPSHOT_MOUNT_FAILED', `unmount layer ${key}: expected nobody to use it, got EBUSY`, {
    context: { errno: 'EBUSY' },
  });
}

/** See {@link SnapshotOperations.sweepLayerMounts}. */
export function sweepLayerMounts(request: {
  readonly mountsDir: string;
  readonly keys: readonly string[];
}): LayerSweep {
  const { mountsDir, keys } = request;
  const outcomes = withMountsLock(mountsDir, () =>
    keys.map((key) => ({ key, outcome: unmountAll(layerMountPoint(mountsDir, key), key) })),
  );
  const keysOf = (wanted: Outcome) => outcomes.filter(({ outcome }) => outcome === wanted).map(({ key }) => key);
  return { unmounted: keysOf('unmounted'), busy: keysOf('busy') };
}

type Outcome = 'absent' | 'unmounted' | 'busy';

/** Takes every EROFS away that is mounted there, and the directory that a mount, or a crash before it, has left. */
function unmountAll(place: string, key: string): Outcome {
  let outcome: Outcome = 'absent';
  try {
    for (; mountedLoop(place) !== undefined; outcome = 'unmounted') umount(place, MNT.NOFOLLOW);
    rmdirSync(place);
    return outcome;
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return 'busy';
    if (errnoOf(error) === 'ENOENT') return outcome;
    throw mountFailed(`unmount layer ${key}`, error);
  }
}
