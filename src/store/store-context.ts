import { join } from 'node:path';
import type { LayerKey } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import { STORE_LOCK, statePath } from './layout.ts';
import type { LocateLayer } from './locate-layer.ts';
import { type HeldLock, tryLockFile } from './lock-file.ts';
import { listMounts } from './mount-record.ts';
import type { TrashCollector } from './trash-collector.ts';
import type { Lease, MountState, StoreOptions } from './types.ts';

/** State that the parts of one open store share. */
export interface StoreContext {
  readonly options: StoreOptions;
  /** The directory of the writable backing. */
  readonly dataDir: string;
  readonly trash: TrashCollector;
  readonly locate: LocateLayer;
  /** Looks in the backings that are only read. */
  readonly locateReadOnly: LocateLayer;
  /** The number of stagings begun so far. */
  readonly stagings: { count: number };
  /** Locks of the uppers that are being made, by id. */
  readonly uppers: Map<string, HeldLock>;
  readonly leases: Set<Lease>;
}

export function tryStoreLock(stateDir: string, mode: 'shared' | 'exclusive'): HeldLock | undefined {
  return tryLockFile(join(statePath.locks(stateDir), STORE_LOCK), mode);
}

export function tryLayerLock(stateDir: string, key: LayerKey): HeldLock | undefined {
  return tryLockFile(join(statePath.locks(stateDir), `layer-${key}`), 'exclusive');
}

export function tryStagingLock(stateDir: string, name: string): HeldLock | undefined {
  return tryLockFile(join(statePath.locks(stateDir), `staging-${name}`), 'exclusive');
}

/** Shared by the pulls that work with a layer or document; exclusive for its removal. */
export function tryUseLock(
  stateDir: string,
  thing: LayerKey | Digest,
  mode: 'shared' | 'exclusive',
): HeldLock | undefined {
  return tryLockFile(join(statePath.locks(stateDir), `use-${thing}`), mode);
}

/** Held from before an upper is created until it is mounted. */
export function tryUpperLock(stateDir: string, id: string): HeldLock | undefined {
  return tryLockFile(join(statePath.locks(stateDir), `upper-${id}`), 'exclusive');
}

/** See {@link MountState}; works without an open store. */
export function mountState(stateDir: string): MountState {
  return {
    layerMountsDir: statePath.layerMounts(stateDir),
    tryMountLock: (key, mode) => tryLockFile(join(statePath.locks(stateDir), `mount-${key}`), mode),
    listMounts: () => listMounts(stateDir),
  };
}

/** Allows one removal at a time, so that each sees what the one before left. Its holder waits for no other lock. */
export function tryPruneLock(stateDir: string): HeldLock | undefined {
  return tryLockFile(join(statePath.locks(stateDir), 'prune'), 'exclusive');
}
