import { hash } from 'node:crypto';
import { closeSync, constants, mkdirSync, openSync, rmdirSync } from 'node:fs';
import type { HashTree, LayerImageRequest } from '../layer-formats/index.ts';
import type { Checkpoint } from '../platform/index.ts';
import {
  attachLoop,
  type BackingFile,
  closeFd,
  describeBackingFile,
  errnoOf,
  LoopIndex,
  MNT,
  moveMount,
  openLoopOf,
  openVerity,
  umount,
} from '../platform/index.ts';
import { layerMountPoint, mountedDevice } from './layer-mount-point.ts';
import { mountFailed } from './mount-failed.ts';
import { openErofs } from './open-erofs.ts';
import type { LayerSweep, MountedLayerImage } from './types.ts';
import { withMountsLock } from './with-mounts-lock.ts';

/** See {@link SnapshotOperations.mountLayerImages}. One lock and one index of the loop devices serve all images. */
export function mountLayerImages(
  { mountsDir, images }: { readonly mountsDir: string; readonly images: readonly LayerImageRequest[] },
  checkpoint: Checkpoint = () => {},
): readonly MountedLayerImage[] {
  return withMountsLock(mountsDir, () => {
    const loops = new LoopIndex();
    return images.map((request) => {
      return mountLayerImage(request, { mountPoint: layerMountPoint(mountsDir, request.key), loops, checkpoint });
    });
  });
}

function mountLayerImage({ image, imageBytes, tree, key }: LayerImageRequest, job: MountJob): MountedLayerImage {
  try {
    if (tree === undefined) return withBacking(image, imageBytes, (backing) => mountBacking(backing, job));
    return withBacking(image, undefined, (backing) => mountVerified(backing, { ...tree, key }, job));
  } catch (error) {
    throw mountFailed(`mount layer ${key}`, error);
  }
}

function withBacking<Result>(image: string, bytes: number | undefined, use: (backing: BackingFile) => Result): Result {
  const fd = openSync(image, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return use(describeBackingFile(fd, image, bytes));
  } finally {
    closeSync(fd);
  }
}

/** The context in which one image is mounted. */
interface MountJob {
  readonly mountPoint: string;
  readonly loops: LoopIndex;
  readonly checkpoint: Checkpoint;
}

function mountBacking(backing: BackingFile, job: MountJob): MountedLayerImage {
  const { mountPoint, loops, checkpoint } = job;
  const present = mountedDevice(mountPoint);
  const loop = (present?.kind === 'loop' ? openLoopOf(present.name, backing) : undefined) ?? attachLoop(backing, loops);
  try {
    checkpoint('loop-attached');
    // An older copy of the layer, whose file is gone, may still be mounted there. It is covered, so that a pull that is
    // about to use it finds no empty directory, and it is unmounted together with this one.
    if (present?.kind !== 'loop' || loop.path !== `/dev/${present.name}`) mountDevice(loop.path, job);
    return { directory: mountPoint, directIo: loop.directIo };
  } finally {
    // From here on only the mount keeps the device; without a mount the device is free again.
    closeSync(loop.fd);
  }
}

/** The mapping keeps the loop device, and the mount keeps the mapping, so unmounting frees all of them. */
function mountVerified(
  backing: BackingFile,
  tree: HashTree & { readonly key: string },
  job: MountJob,
): MountedLayerImage {
  const { mountPoint, loops, checkpoint } = job;
  const { rootHash, hashOffset } = tree;
  const loop = attachLoop(backing, loops);
  try {
    checkpoint('loop-attached');
    const name = mappingName(tree, loop.path);
    const device = openVerity({ name, device: loop.path, rootHash, hashOffset }, checkpoint);
    try {
      checkpoint('mapping-opened');
      const present = mountedDevice(mountPoint);
      if (present?.kind !== 'mapping' || present.name !== name) mountDevice(device.path, job);
    } finally {
      device.release();
    }
    return { directory: mountPoint, directIo: loop.directIo };
  } finally {
    closeSync(loop.fd);
  }
}

/** Names a mapping by tree and device: a layer that was made again after its file was lost has another mapping. */
function mappingName({ key, rootHash }: { readonly key: string; readonly rootHash: string }, device: string): string {
  return `sealift-${hash('sha256', `${key} ${rootHash} ${device}`).slice(0, 32)}`;
}

function mountDevice(device: string, { mountPoint, checkpoint }: MountJob): void {
  const mountFd = openErofs(device);
  try {
    const isNew = mkdirUnlessPresent(mountPoint);
    try {
      checkpoint('layer-mounting');
      moveMount(mountFd, mountPoint);
    } catch (error) {
      if (isNew) rmdirSync(mountPoint);
      throw error;
    }
    checkpoint('layer-mounted');
  } finally {
    closeFd(mountFd);
  }
}

function mkdirUnlessPresent(mountPoint: string): boolean {
  return mkdirSync(mountPoint, { recursive: true, mode: 0o700 }) !== undefined;
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

/** Unmounts every EROFS at the mount point and removes the directory that a mount, or a crash before it, has left. */
function unmountAll(mountPoint: string, key: string): Outcome {
  let outcome: Outcome = 'absent';
  try {
    for (; mountedDevice(mountPoint) !== undefined; outcome = 'unmounted') umount(mountPoint, MNT.NOFOLLOW);
    rmdirSync(mountPoint);
    return outcome;
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return 'busy';
    if (errnoOf(error) === 'ENOENT') return outcome;
    throw mountFailed(`unmount layer ${key}`, error);
  }
}
