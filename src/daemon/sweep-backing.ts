import { type ProgressEvent, type PullPorts, sweepStore } from '../pull/index.ts';

export interface SweepBackingOptions {
  /** True: images that no container uses are removed as well. */
  readonly prune: boolean;
  /** Receives what could not be removed. */
  readonly onProgress: (event: ProgressEvent) => void;
}

/** Opens a store and removes what containers that are gone have left in it. */
export async function sweepBacking(
  ports: Pick<PullPorts, 'openStore' | 'openLayerMounts'>,
  { prune, onProgress }: SweepBackingOptions,
): Promise<void> {
  const store = await ports.openStore();
  try {
    if (prune) await store.prune({ all: true });
    await sweepStore(store, { ...ports, onProgress });
  } finally {
    await store.close();
  }
}
