import type { LaneName } from '../operations/index.ts';
import type { Lease, Store } from '../store/index.ts';
import type { LayerFormat } from './layer-format.ts';
import type { PullPorts } from './ports.ts';
import { sweepStore } from './sweep-store.ts';

/** What one pull works with from its first step to its last. */
export interface PullContext {
  readonly ports: PullPorts;
  /** Undefined for a plain tree, which touches no store. */
  readonly storage: PullStorage | undefined;
  readonly signal: AbortSignal;
}

/** The context of a pull that keeps its layers in a store. */
export interface StoringContext extends PullContext {
  readonly storage: PullStorage;
}

/** The open store of one pull. Disposing releases the lease, sweeps where the pull is to do that, and closes the store. */
export interface PullStorage extends AsyncDisposable {
  readonly store: Store;
  /** Keeps what the pull works with from being removed. */
  readonly lease: Lease;
  /** What new layers are written as. */
  readonly layerFormat: LayerFormat;
  /** The thread for what this pull computes, so that no other pull waits for it. */
  readonly lane: LaneName;
}

/** Opens the store for one pull. Throws what `openStore` and `chooseLayerFormat` throw. */
export async function openStorage(ports: PullPorts): Promise<PullStorage> {
  const store = await ports.openStore();
  const lease = store.openLease();
  const release = async (): Promise<void> => {
    lease.release();
    if (ports.sweepsStore) await sweepStore(store, ports);
    await store.close();
  };
  try {
    const layerFormat = await ports.chooseLayerFormat(store.dataDir);
    return { store, lease, layerFormat, lane: { owner: 'pull' }, [Symbol.asyncDispose]: release };
  } catch (error) {
    await release();
    throw error;
  }
}
