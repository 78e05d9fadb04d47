import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonConfiguration } from '../config/index.ts';
import { fromPlainError, SealiftError } from '../errors/index.ts';
import type { StoreBacking } from '../pull/index.ts';
import type { VolumeBacking, VolumeStatus } from '../volume/index.ts';

type StoreSettings = Pick<DaemonConfiguration, 'store' | 'volume'>;

/**
 * Returns the directory of a store's index, names and roots. It lies in guest memory, and there is one for each mapping:
 * what a disk holds is never looked up in the index of another disk.
 */
export function daemonStateDir({ store }: Pick<StoreSettings, 'store'>, backing: VolumeBacking | undefined): string {
  return join(store.state.value, backing?.kind === 'device' ? `store-${backing.mappingUuid}` : 'memory');
}

/** Returns the store of the daemon on a backing of its volume. The host can change a disk, so trees are required there. */
export function daemonBacking({ store, volume }: StoreSettings, backing: VolumeBacking): StoreBacking {
  return {
    dataDir: join(backing.directory, 'store'),
    stateDir: daemonStateDir({ store }, backing),
    minFreeBytes: store.minFreeBytes.value,
    layerFormat: store.layerFormat.value,
    verity: store.verity.value,
    trees: backing.kind === 'device' ? 'required' : 'unused',
    allowDirectories: backing.kind === 'memory' || volume.allowDirectoryLayers.value,
  };
}

/** Returns the store of the daemon in guest memory, where images go without a disk. */
export function memoryBacking(settings: StoreSettings, reason: string): StoreBacking {
  return daemonBacking(settings, { kind: 'memory', directory: settings.volume.memoryMountPoint.value, reason });
}

/**
 * Returns the store that the daemon pulls into, for another process that only has the daemon's record. Throws
 * `STORE_INVALID` when there is none yet, and `VOLUME_*` when pulls are refused.
 */
export function recordedBacking(settings: StoreSettings, { state, backing, error }: VolumeStatus): StoreBacking {
  if (backing === undefined) {
    if (error !== undefined) throw fromPlainError(error);
    throw new SealiftError('STORE_INVALID', `image store: expected one that pulls go to, got the state ${state}`);
  }
  const found = daemonBacking(settings, backing);
  // Opening the store would make the directory, and the daemon may still mount something over it.
  if (existsSync(found.stateDir)) return found;
  throw new SealiftError('STORE_INVALID', `image store: expected ${found.stateDir}, which the first pull makes`, {
    hint: 'name the configuration of the daemon with -c, or leave out --daemon for the store of the command line',
  });
}
