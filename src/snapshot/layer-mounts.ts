import { readdirSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { isLayerKey, type LayerImageRequest, type LayerKey, layerFormatOf } from '../layer-formats/index.ts';
import type { Run } from '../operations/index.ts';
import { errnoOf } from '../platform/index.ts';
import { layerMountPoint } from './layer-mount-point.ts';
import { mountedUppers } from './mounted-elsewhere.ts';
import type { LayerLease, LayerLock, LayerMounts, SnapshotLayer, SnapshotOperations, SnapshotStore } from './types.ts';

export interface LayerMountPorts {
  readonly runOperation: Run<SnapshotOperations>;
  readonly store: Pick<SnapshotStore, 'listMounts'>;
  /** A directory in state. */
  readonly mountsDir: string;
  /**
   * `required`: the layers lie where the host can change them. An image is read through its hash tree alone, and one
   * without is refused; so is a directory, unless `allowDirectories`.
   */
  readonly verity: 'required' | 'unused';
  readonly allowDirectories?: boolean;
  /** The flock(2) of one layer's mount, without waiting; undefined while somebody else holds it in another way. */
  readonly tryLock: (key: LayerKey, mode: 'shared' | 'exclusive') => LayerLock | undefined;
  readonly clock: { nowMs(): number; sleep(ms: number): Promise<void> };
  readonly lockTimeoutMs: number;
  /** Of these uppers, the mounted ones; asks the kernel unless told otherwise. */
  readonly mountedUppers?: (ids: readonly string[]) => ReadonlySet<string>;
}

/** Only a sweep stands in the way, and that takes milliseconds. */
const POLL_MS = 5;

/**
 * Who needs a layer holds its lock shared from before the mount until an overlay with a record keeps it in use. A sweep
 * takes the lock exclusively and looks at the records then, so that nothing is unmounted between the two.
 */
export function createLayerMounts(ports: LayerMountPorts): LayerMounts {
  return { lease: () => createLease(ports), sweep: () => sweep(ports) };
}

function createLease(ports: LayerMountPorts): LayerLease {
  const { runOperation, mountsDir } = ports;
  const locks = new Map<LayerKey, LayerLock>();
  /** Keys of images that are mounted and held: a chain of 500 layers is asked for once for each layer in it. */
  const mounted = new Set<LayerKey>();
  return {
    open: async (layers) => {
      const opened = layers.map((layer) => ({ layer, image: imageOf(layer, ports) }));
      const images = opened.map(({ image }) => image).filter((image) => image !== undefined);
      const missing = images.filter(({ key }) => !mounted.has(key));
      for (const { key } of missing) if (!locks.has(key)) locks.set(key, await lockShared(ports, key));
      // All in one operation: with a message to a thread for each, a cached pull would be mostly messages.
      if (missing.length > 0) await runOperation('mountLayerImages', { mountsDir, images: missing });
      for (const { key } of missing) mounted.add(key);
      return opened.map(({ layer, image }) => ({ ...layer, directory: directoryOf(layer, image, mountsDir) }));
    },
    release: () => {
      mounted.clear();
      // The last one takes the file away.
      for (const lock of locks.values()) lock.release({ remove: lock.tryConvert('exclusive') });
      locks.clear();
    },
  };
}

/**
 * Returns the image to mount, or undefined for a layer whose tree lies at its path. Throws `SNAPSHOT_TREE_MISSING` for a
 * layer that the host could change unnoticed.
 */
function imageOf(layer: SnapshotLayer, { verity, allowDirectories = false }: LayerMountPorts) {
  const image = layerFormatOf(layer.record.key).mount(layer);
  if (verity === 'unused') return image && { ...image, tree: undefined };
  if (image === undefined ? allowDirectories : image.tree !== undefined) return image;
  const actual = image === undefined ? 'a directory' : 'an image without';
  throw new SealiftError(
    'SNAPSHOT_TREE_MISSING',
    `mount layer ${layer.record.key}: expected a hash tree, got ${actual}`,
  );
}

function directoryOf({ path, record }: SnapshotLayer, image: LayerImageRequest | undefined, mountsDir: string): string {
  return image === undefined ? path : layerMountPoint(mountsDir, record.key);
}

async function lockShared({ tryLock, clock, lockTimeoutMs }: LayerMountPorts, key: LayerKey): Promise<LayerLock> {
  const deadline = clock.nowMs() + lockTimeoutMs;
  for (;;) {
    const lock = tryLock(key, 'shared');
    if (lock !== undefined) return lock;
    if (clock.nowMs() >= deadline) {
      const message = `mount layer ${key}: expected its lock within ${lockTimeoutMs} ms, got a sweep that does not end`;
      throw new SealiftError('STORE_LOCK_TIMEOUT', message, {
        context: { limit: 'lockTimeoutMs', expected: lockTimeoutMs },
      });
    }
    await clock.sleep(POLL_MS);
  }
}

async function sweep(ports: LayerMountPorts): Promise<void> {
  const { runOperation, mountsDir, tryLock } = ports;
  const locks = new Map<LayerKey, LayerLock>();
  try {
    for (const key of listMounts(mountsDir)) {
      const lock = tryLock(key, 'exclusive');
      if (lock !== undefined) locks.set(key, lock);
    }
    if (locks.size === 0) return;
    const inUse = usedLayers(ports);
    const keys = [...locks.keys()].filter((key) => !inUse.has(key));
    if (keys.length > 0) await runOperation('sweepLayerMounts', { mountsDir, keys });
  } finally {
    for (const lock of locks.values()) lock.release({ remove: true });
  }
}

/** Keys of mounted layers; a directory of state, so in memory. */
function listMounts(mountsDir: string): readonly LayerKey[] {
  try {
    return readdirSync(mountsDir).filter(isLayerKey);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Keys of the layers below every rootfs that is mounted anywhere. Call it with the locks held. */
function usedLayers({ store, mountedUppers: find = mountedUppers }: LayerMountPorts): ReadonlySet<LayerKey> {
  const records = store.listMounts();
  const mounted = find(records.map(({ id }) => id));
  return new Set(records.filter(({ id }) => mounted.has(id)).flatMap(({ layers }) => layers));
}
