import type { Digest } from '../oci/index.ts';
import type { LayerFacts } from '../unpack/index.ts';

/** `<format>-v<writer version>-<diffid|chain>-<hex>[-<domain>]` */
export type LayerKey = string & { readonly __brand: 'LayerKey' };

/** The record of a published layer, or of a diffID that cannot be published by itself. Lies in guest memory. */
export interface LayerRecord {
  readonly key: LayerKey;
  readonly diffId: string;
  /** `published`: the layer lies under its key. `needs-chain`: it hard-links into lower layers, see its chain key. */
  readonly state: 'published' | 'needs-chain';
  readonly facts: LayerFacts;
}

export interface StoredLayer {
  readonly record: LayerRecord;
  /** Absolute path of the layer's directory. */
  readonly path: string;
}

/** All that the store knows of a key: a layer to mount, or that only a chained copy of it can be. */
export type KnownLayer =
  | { readonly kind: 'published'; readonly layer: StoredLayer }
  | { readonly kind: 'needs-chain'; readonly record: LayerRecord };

/** A layer being written. Exactly one of `publish` and `discard` ends it; `discard` after either does nothing. */
export interface Staging {
  /** An empty directory of mode 0700 that nobody else uses; it becomes the layer's root. */
  readonly directory: string;
  /** Makes the layer visible under its key. Only inside {@link Store.withLayer} for that key, after every check. */
  publish(facts: LayerFacts): Promise<KnownLayer>;
  discard(): Promise<void>;
}

/** A writable layer of one container; `upper` and `work` are empty. */
export interface Upper {
  readonly id: string;
  readonly upper: string;
  readonly work: string;
}

export interface MountRecord {
  readonly id: string;
  readonly target: string;
  /** Keys of the layers, bottom to top. */
  readonly layers: readonly string[];
  readonly upper: string;
  readonly imageDigest: string;
}

export interface SpaceNeed {
  /** What has to be fetched; the layers cannot be smaller than this without being odd. */
  readonly compressedBytes: number;
  /** What the layers are expected to take. */
  readonly estimatedBytes: number;
}

export interface SpaceReport {
  readonly availableBytes: number;
  /** `tight`: more than the compressed bytes and less than the estimate is free. */
  readonly verdict: 'fits' | 'tight' | 'exhausted';
}

export interface Clock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Ends early, without failing, when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What lies in a backing, by name. */
export interface DataListing {
  readonly layers: readonly string[];
  readonly staging: readonly string[];
  readonly uppers: readonly string[];
  readonly trash: readonly string[];
}

/** Parts of a backing whose entries are thrown away by name. */
export type DataArea = 'layers' | 'staging' | 'uppers';

/** Works on a backing, which may lie on a stalled disk: plain data in and out, synchronous, run in a worker. */
export interface StoreOperations {
  /** Makes the layout; throws `STORE_INVALID` for a directory that is not a backing of ours. */
  prepareData(request: { readonly dataDir: string }): void;
  listData(request: { readonly dataDir: string }): DataListing;
  isLayerPresent(request: { readonly dataDir: string; readonly key: LayerKey }): boolean;
  /** Answers the path of the new directory. */
  makeStaging(request: { readonly dataDir: string; readonly name: string }): string;
  /** Renames a staged tree to its key; false when somebody else's lies there. `durable` syncs first. */
  publishLayer(request: {
    readonly dataDir: string;
    readonly staging: string;
    readonly key: LayerKey;
    readonly durable: boolean;
  }): boolean;
  makeUpper(request: { readonly dataDir: string; readonly id: string }): Upper;
  /** Renames into the trash, under a name of its own; false when there is no such entry. */
  moveToTrash(request: { readonly dataDir: string; readonly area: DataArea; readonly name: string }): boolean;
  /** Deletes what is in the trash; what resists is left for the next time and counted. */
  emptyTrash(request: { readonly dataDir: string }): { readonly removed: number; readonly failed: number };
  measureSpace(request: { readonly dataDir: string; readonly need: SpaceNeed }): SpaceReport;
}

export type StoreOperation = {
  [Kind in keyof StoreOperations]: { readonly kind: Kind; readonly request: Parameters<StoreOperations[Kind]>[0] };
}[keyof StoreOperations];

/** Has an operation done in a worker; rejects with the `SealiftError` that it threw there, or when a deadline passed. */
export type RunStoreOperation = <Kind extends keyof StoreOperations>(
  kind: Kind,
  request: Parameters<StoreOperations[Kind]>[0],
) => Promise<ReturnType<StoreOperations[Kind]>>;

/** Called at named moments, so that crash and tamper tests hit them exactly. */
export type Checkpoint = (name: string) => void;

export interface StoreOptions {
  /** Index, names and locks; in a guest always memory. Made with mode 0700 when absent. */
  readonly stateDir: string;
  /** Layers, staging, uppers and trash: one file system. Made with mode 0700 when absent. */
  readonly dataDir: string;
  /** Layers and index of another boot are thrown away; a durable store only forgets its mounts. */
  readonly bootId: string;
  /** The backing outlives a crash of the machine: sync before a layer becomes visible. */
  readonly durable: boolean;
  readonly lockTimeoutMs: number;
  readonly clock: Clock;
  readonly checkpoint: Checkpoint;
  readonly runOperation: RunStoreOperation;
}

export interface Store {
  readonly dataDir: string;

  /** Without a lock: a layer that another process is publishing right now may or may not be found. */
  findLayer(key: LayerKey): Promise<KnownLayer | undefined>;
  /**
   * The layer of `key`, made by `make` when there is none, by one caller at a time in all processes. Who waited for a
   * caller that failed or was cancelled goes on with its own `make`. Must not be called from within a `make`.
   * Throws `STORE_LOCK_TIMEOUT`, `PULL_CANCELLED` and what `make` throws.
   */
  withLayer(key: LayerKey, make: () => Promise<KnownLayer>, signal?: AbortSignal): Promise<KnownLayer>;
  stageLayer(key: LayerKey, diffId: Digest): Promise<Staging>;
  /** Remembers that the layer cannot be published under its diffID. Only inside {@link Store.withLayer} for that key. */
  rememberNeedsChain(key: LayerKey, diffId: Digest, facts: LayerFacts): KnownLayer;

  /** Documents are kept as they came, and hashed again when read: one that does not match counts as absent. */
  putManifest(digest: Digest, bytes: Uint8Array): void;
  getManifest(digest: Digest): Uint8Array | undefined;
  putConfig(digest: Digest, bytes: Uint8Array): void;
  getConfig(digest: Digest): Uint8Array | undefined;
  /** The digest that a name was resolved to last. Reading throws `STORE_RECORD_CORRUPT`. */
  putName(reference: string, digest: Digest): void;
  getName(reference: string): Digest | undefined;

  createUpper(): Promise<Upper>;
  /** Out of the way at once, deleted in the background. */
  trashUpper(id: string): Promise<void>;
  putMount(record: MountRecord): void;
  /** Throws `STORE_RECORD_CORRUPT`. */
  listMounts(): readonly MountRecord[];
  removeMount(id: string): void;

  /** Throws `STORE_SPACE_EXHAUSTED` when even the compressed bytes do not fit. */
  checkSpace(need: SpaceNeed): Promise<SpaceReport>;
  /** Ends background work and gives the locks up. The store is not used afterwards. */
  close(): Promise<void>;
}
