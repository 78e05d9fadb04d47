import { existsSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { LAYER_FORMATS } from '../layer-formats/index.ts';
import type { LayerFormat, StoreBacking } from '../pull/index.ts';

/** How one store of the daemon is used. */
export interface StoreAccess {
  /** Removes what containers that are gone have left. `prune`: and all images that no container uses. */
  readonly sweep: (options: { readonly prune: boolean }) => Promise<void>;
  /** Returns how new layers are written. Throws `SNAPSHOT_FORMAT_UNSUPPORTED`. */
  readonly chooseLayerFormat: (dataDir: string) => Promise<LayerFormat>;
  /** Unmounts the layers that no container uses. Does not open the store, whose disk may have failed. */
  readonly sweepLayerMounts: () => Promise<void>;
}

export interface DaemonStoresPorts {
  /** Returns where images go now. Waits for a preparation under way. Throws `VOLUME_*`. */
  readonly currentBacking: () => Promise<StoreBacking>;
  /** Where images go as long as there is no disk. */
  readonly memoryBacking: StoreBacking;
  readonly accessStore: (backing: StoreBacking) => StoreAccess;
  /** The number of threads that hang in a call to the store's file system. */
  readonly stuckThreads: () => number;
}

/**
 * The stores that containers may run from: the one that images go to now, and former ones, such as memory once a disk is
 * there.
 */
export class DaemonStores {
  readonly #ports: DaemonStoresPorts;
  /** Backings by their state directories. */
  readonly #backings = new Map<string, StoreBacking>();
  /** Formats by their backings, once layer images were found to work there. */
  readonly #formats = new Map<string, LayerFormat>();
  #isHung = false;

  constructor(ports: DaemonStoresPorts) {
    this.#ports = ports;
    // An earlier run may have started containers from memory, before there was a disk.
    if (existsSync(ports.memoryBacking.stateDir)) this.#remember(ports.memoryBacking);
  }

  /** Returns `STORE_STALLED` while threads hang in the store's file system. */
  stall(): SealiftError | undefined {
    const stuckThreads = this.#ports.stuckThreads();
    if (stuckThreads === 0) return undefined;
    const message = `store: expected its file system to answer, but it holds ${stuckThreads} threads`;
    return new SealiftError('STORE_STALLED', message, { context: { stuckThreads } });
  }

  /** Returns where images go now. Throws `STORE_STALLED` and `VOLUME_*`. */
  async current(): Promise<StoreBacking> {
    const stall = this.stall();
    // Probing a disk that hangs would cost another thread.
    if (stall !== undefined) throw stall;
    const backing = await this.#ports.currentBacking();
    this.#remember(backing);
    return backing;
  }

  /** Returns the format of new layers. The kernel is probed until images work: that takes a loop device and a mount. */
  async chooseLayerFormat(backing: StoreBacking): Promise<LayerFormat> {
    const key = JSON.stringify(backing);
    const known = this.#formats.get(key);
    if (known !== undefined) return known;
    const chosen = await this.#ports.accessStore(backing).chooseLayerFormat(backing.dataDir);
    // A format without needs is not final: the kernel may load a module for a better one later.
    if (LAYER_FORMATS[chosen.format].kernelNeed !== undefined) this.#formats.set(key, chosen);
    return chosen;
  }

  /** When threads start or stop hanging, probes the volume again so that its reported state is current. */
  async lookAtDisk(): Promise<void> {
    const isHung = this.#ports.stuckThreads() > 0;
    if (isHung === this.#isHung) return;
    this.#isHung = isHung;
    await this.#ports.currentBacking();
  }

  /**
   * Removes what containers that are gone have left, in every store. Memory is swept although the disk has failed. Throws
   * what keeps the current store from being used.
   */
  async sweep(): Promise<void> {
    const [current] = await Promise.allSettled([this.current()]);
    const isUsable = current.status === 'fulfilled';
    for (const backing of this.#backings.values()) {
      const isCurrent = isUsable && backing === current.value;
      const access = this.#ports.accessStore(backing);
      // New pulls find no layers in a former store: what no container uses there only takes memory.
      if (isCurrent || backing.trees === 'unused') await access.sweep({ prune: isUsable && !isCurrent });
      // Mounts of a disk that failed, which no container reads, would keep another disk from being mounted.
      else if (this.stall() === undefined) await access.sweepLayerMounts();
    }
    if (!isUsable) throw current.reason;
  }

  /** A disk that was formatted again has the data directory of the one before, whose index no longer describes it. */
  #remember(backing: StoreBacking): void {
    for (const [stateDir, { dataDir }] of this.#backings) {
      if (dataDir === backing.dataDir) this.#backings.delete(stateDir);
    }
    this.#backings.set(backing.stateDir, backing);
  }
}
