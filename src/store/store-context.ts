import { join } from 'node:path';
import { STORE_LOCK, statePath } from './layout.ts';
import { type HeldLock, tryLockFile } from './lock-file.ts';
import type { TrashCollector } from './trash-collector.ts';
import type { LayerKey, StoreOptions } from './types.ts';

/** What the parts of one open store share. */
export interface StoreContext {
  readonly options: StoreOptions;
  readonly trash: TrashCollector;
  /** How many stagings were begun. */
  readonly stagings: { count: number };
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
