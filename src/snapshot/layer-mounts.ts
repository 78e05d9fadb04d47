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
   * `required`: the host can change the layers, so an image is read only through its hash tree. An image without one is
   * refused, and so is a directory unless `allowDirectories`. docs/adr/0015-image-store.md
   */
  readonly verity: 'required' | 'unused';
  readonly allowDirectories?: boolean;
  /** Takes the flock(2) of one layer's mount without waiting; undefined while another holder has a conflicting lock. */
  readonly tryLock: (key: LayerKey, mode: 'shared' | 'exclusive') => LayerLock | undefined;
  readonly clock: { nowMs(): number; sleep(ms: number): Promise<void> };
  readonly lockTimeoutMs: number;
  /** Returns the mounted ones of these uppers. The kernel is asked when absent. */
  readonly mountedUppers?: (ids: readonly string[]) => ReadonlySet<string>;
}

/**
 * How many images one operation mounts or unmounts. With a message for each, a cached pull would spend most of its time
 * on messages, and on reading which loop devices there are. With one for hundreds, every other pull would wait for the lock
 * of the mounts and for the thread.
 */
const BATCH = 32;

/** Only a sweep can hold the lock exclusively, and that takes milliseconds. */
const POLL_MS = 5;

/**
 * A lease holds a layer's lock shared from before the mount until an overlay with a record uses the layer. A sweep
 * takes the lock exclusively and reads the records only then, so it never unmounts a layer between the two. Why layers
 * are mounted images: docs/adr/0014-layer-images.md
 */
export function createLayerMounts(ports: LayerMountPorts): LayerMounts {
  return { lease: () => createLease(ports), sweep: () => sweep(ports) };
}

function createLease(ports: LayerMountPorts): LayerLease {
  const { runOperation, mountsDir } = ports;
  const locks = new Map<LayerKey, LayerLock>();
  /** Keys of images that are mounted and held, because `open` is called for each layer of a chain of up to 500 layers. */
  const mounted = new Set<LayerKey>();
  return {
    open: async (layers) => {
      const opened = layers.map((layer) => ({ layer, image: imageOf(layer, ports) }));
      const images = opened.map(({ image }) => image).filter((image) => image !== undefined);
      const missing = images.filter(({ key }) => !mounted.has(key));
      for (const { key } of missing) if (!locks.has(key)) locks.set(key, await lockShared(ports, key));
      for (const some of batches(missing)) await runOperation('mountLayerImages', { mountsDir, images: some });
      for (const { key } of missing) mounted.add(key);
      return opened.map(({ layer, image }) => ({ ...layer, directory: directoryOf(layer, image, mountsDir) }));
    },
    release: () => {
      mounted.clear();
      // The last holder removes the lock's file.
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
  const actual = image === undefined ? 'a directory' : 'an image without one';
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
      const message = `mount layer ${key}: expected its lock within ${lockTimeoutMs} ms, but a sweep still holds it`;
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
    for (const some of batches(keys)) await runOperation('sweepLayerMounts', { mountsDir, keys: some });
  } finally {
    for (const lock of locks.values()) lock.release({ remove: true });
  }
}

function batches<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / BATCH);
  return Array.from({ length: count }, (_, at) => items.slice(at * BATCH, (at + 1) * BATCH));
}

/** Returns the keys of mounted layers. The directory lies in state, so no disk is read. */
function listMounts(mountsDir: string): readonly LayerKey[] {
  try {
    return readdirSync(mountsDir).filter(isLayerKey);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Returns the keys of the layers below every rootfs that is mounted anywhere. Call it with the locks held. */
function usedLayers({ store, mountedUppers: find = mountedUppers }: LayerMountPorts): ReadonlySet<LayerKey> {
  const records = store.listMounts();
  const mounted = find(records.map(({ id }) => id));
  return new Set(records.filter(({ id }) => mounted.has(id)).flatMap(({ layers }) => layers));
}
