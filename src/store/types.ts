import type { LayerImage, LayerKey } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Run } from '../operations/index.ts';
import type { LayerFacts } from '../unpack/index.ts';
import type { HeldLock } from './lock-file.ts';

/** The record of a published layer, or of a diffID that cannot be published by itself. Lies in guest memory. */
export interface LayerRecord {
  readonly key: LayerKey;
  readonly diffId: Digest;
  /** `published`: the layer lies under its key. `needs-chain`: it hard-links into lower layers, see its chain key. */
  readonly state: 'published' | 'needs-chain';
  readonly facts: LayerFacts;
  /** What it takes of the backing; 0 for `needs-chain`. */
  readonly diskBytes: number;
  /** Present for layers of the erofs format. */
  readonly image?: LayerImage;
}

export interface StoredLayer {
  readonly record: LayerRecord;
  /** Absolute path of the layer's directory, or of its image file. */
  readonly path: string;
}

/** All that the store knows of a key: a layer to mount, or that only a chained copy of it can be. */
export type KnownLayer =
  | { readonly kind: 'published'; readonly layer: StoredLayer }
  | { readonly kind: 'needs-chain'; readonly record: LayerRecord };

/** A layer being written. Exactly one of `publish` and `discard` ends it; `discard` after either does nothing. */
export interface Staging {
  /**
   * An empty directory of mode 0700 that no other staging uses. What becomes the layer, the directory or a file in it,
   * depends on the format of the key (`LayerFormatDefinition.stagedName`).
   */
  readonly directory: string;
  /**
   * Makes the layer visible under its key. Only inside {@link LayerStore.withLayer} for that key, after every check. Formats
   * whose layers are files need `image`; the others take none.
   */
  publish(facts: LayerFacts, image?: LayerImage): Promise<KnownLayer>;
  discard(): Promise<void>;
}

/** A writable layer of one container; `upper` and `work` are empty. */
export interface Upper {
  readonly id: string;
  readonly upper: string;
  readonly work: string;
}

export type DocumentKind = 'manifests' | 'configs';

/** The name of a document in the store. */
export interface DocumentId {
  readonly kind: DocumentKind;
  readonly digest: Digest;
}

/** A reference, as it was pulled, and what it led to. */
export interface NameRecord {
  readonly reference: string;
  readonly digest: Digest;
  /** Indexes on the way to the manifest, outermost first. */
  readonly via: readonly Digest[];
}

/** An image whose layers are all in the store; names lead to it. */
export interface ImageRecord {
  readonly manifestDigest: Digest;
  readonly configDigest: Digest;
  /** Bottom to top, as they are mounted. */
  readonly layerKeys: readonly LayerKey[];
  readonly platform: string;
  /** When a pull of it ended last, by the machine's clock (RFC 3339): an order, and no proof of anything. */
  readonly pulledAt: string;
}

/** An image as a user looks at it. */
export interface StoredImage {
  readonly record: ImageRecord;
  readonly names: readonly string[];
  /** What its layers take of the backing, each once. */
  readonly diskBytes: number;
  /** The part of it that other images use as well. */
  readonly sharedBytes: number;
  /** Where it is mounted. */
  readonly mounts: readonly string[];
}

/** What was removed, and what that gave back. */
export interface Removal {
  readonly names: readonly string[];
  readonly images: readonly Digest[];
  readonly layers: readonly LayerKey[];
  /** Manifests, indexes and configs. */
  readonly documents: number;
  /** Writable layers of containers that are gone. */
  readonly uppers: number;
  /** Bytes of the backing. */
  readonly freedBytes: number;
}

/** What of an image to remove: one name of it, or all of it. */
export type RemovalTarget =
  | { readonly kind: 'name'; readonly reference: string }
  | { readonly kind: 'image'; readonly digest: Digest };

/**
 * Keeps what one pull works with from being removed, by this and by other processes. What is held before it is looked
 * for stays once it is found.
 */
export interface Lease {
  /** A layer key, or the digest of a manifest or config. Throws `STORE_LOCK_TIMEOUT` and `PULL_CANCELLED`. */
  hold(thing: LayerKey | Digest, signal?: AbortSignal): Promise<void>;
  /** To be called when names and mounts refer to all that is to stay. */
  release(): void;
}

export interface MountRecord {
  readonly id: string;
  readonly target: string;
  /** Keys of the layers, bottom to top. */
  readonly layers: readonly LayerKey[];
  readonly upper: string;
  readonly imageDigest: string;
}

export interface SpaceNeed {
  /** What has to be fetched; the layers cannot be smaller than this without being odd. */
  readonly compressedBytes: number;
  /** What the layers are expected to take. */
  readonly estimatedBytes: number;
}

/** Of a backing. */
export interface SpaceFacts {
  readonly sizeBytes: number;
  /** In memory not more than the machine can give. */
  readonly availableBytes: number;
}

export interface SpaceReport extends SpaceFacts {
  /** `tight`: more than the compressed bytes and less than the estimate is free. */
  readonly verdict: 'fits' | 'tight' | 'exhausted';
}

/** What had to go to make room. */
export interface Eviction extends SpaceFacts {
  readonly removal: Removal;
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

/** A layer as its record tells of it. */
export interface SoughtLayer {
  readonly key: LayerKey;
  /** Of an image file. */
  readonly bytes: number | undefined;
}

/** Works on a backing, which may lie on a stalled disk: plain data in and out, synchronous, run in a worker. */
export interface StoreOperations {
  /** Makes the layout; throws `STORE_INVALID` for a directory that is not a backing of ours. */
  prepareData(request: { readonly dataDir: string }): void;
  /** Throws `STORE_INVALID` for a directory that others could have planted layers in; changes nothing. */
  checkReadOnlyData(request: { readonly dataDir: string }): void;
  listData(request: { readonly dataDir: string }): DataListing;
  /** Of these, the ones that lie there; images have to have their length. */
  presentLayers(request: { readonly dataDir: string; readonly layers: readonly SoughtLayer[] }): readonly LayerKey[];
  /** Bytes that a staged layer takes of the backing. Throws `STORE_STAGING_ALTERED` when it is not as it was written. */
  measureStaging(request: {
    readonly dataDir: string;
    readonly name: string;
    readonly key: LayerKey;
    readonly image: LayerImage | undefined;
  }): number;
  /** Answers the path of the new directory. */
  makeStaging(request: { readonly dataDir: string; readonly name: string }): string;
  /** Renames a staged tree or image to its key; false when somebody else's lies there. `durable` syncs first. */
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
  /** Bytes that the trash takes of the backing. */
  measureTrash(request: { readonly dataDir: string }): number;
  measureSpace(request: { readonly dataDir: string }): SpaceFacts;
}

/** Called at named moments, so that crash and tamper tests hit them exactly. */
export type Checkpoint = (name: string) => void;

/** A directory whose `layers` are those of a store. */
export interface LayerBacking {
  /** Absolute path. A writable backing is made with mode 0700 when absent. */
  readonly dir: string;
  /** False when layers are found here, but never made, replaced or removed. */
  readonly writable: boolean;
}

export interface StoreOptions {
  /** Index, names and locks; in a guest always memory. Made with mode 0700 when absent. */
  readonly stateDir: string;
  /**
   * Where layers lie, searched in this order. Exactly one is writable; it also has staging, uppers and trash, all on one
   * file system.
   */
  readonly backings: readonly LayerBacking[];
  /** Layers and index of another boot are thrown away; a durable store only forgets its mounts. */
  readonly bootId: string;
  /** Room that a pull must leave; of a small backing an eighth at most. */
  readonly minFreeBytes: number;
  /** The backing outlives a crash of the machine: sync before a layer becomes visible. */
  readonly durable: boolean;
  readonly lockTimeoutMs: number;
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  readonly epochMs: () => number;
  readonly checkpoint: Checkpoint;
  readonly runOperation: Run<StoreOperations>;
  /** Those of the uppers that are mounted in any mount namespace. Reads procfs only. */
  readonly findMountedUppers: (ids: readonly string[]) => ReadonlySet<string>;
  /** Unmounts the layer images that no mounted rootfs uses: asked before layers go that nothing needs. */
  readonly sweepLayerMounts: (state: MountState) => Promise<void>;
}

/** What mounts of layer images need to know and to lock. Lies in state: memory of the guest, which no disk can stall. */
export interface MountState {
  readonly layerMountsDir: string;
  /** Takes the lock of one layer's mount without waiting; undefined while another process holds a conflicting lock. */
  tryMountLock(key: LayerKey, mode: 'shared' | 'exclusive'): HeldLock | undefined;
  /** Throws `STORE_RECORD_CORRUPT`. */
  listMounts(): readonly MountRecord[];
}

/** Layers, by key. */
export interface LayerStore {
  /** Takes no lock: a layer that another process is publishing right now may or may not be found. */
  findLayer(key: LayerKey): Promise<KnownLayer | undefined>;
  /**
   * Returns the layer of `key`. When there is none, `make` makes it, for one caller at a time in all processes. A caller
   * that waited for another one which failed or was cancelled goes on with its own `make`. Must not be called from within
   * a `make`. Throws `STORE_LOCK_TIMEOUT`, `PULL_CANCELLED` and what `make` throws.
   */
  withLayer(key: LayerKey, make: () => Promise<KnownLayer>, signal?: AbortSignal): Promise<KnownLayer>;
  /** Begins a layer. The caller publishes or discards it. */
  stageLayer(key: LayerKey, diffId: Digest): Promise<Staging>;
  /** Records that the layer cannot be published under its diffID. Only inside `withLayer` for that key. */
  rememberNeedsChain(key: LayerKey, diffId: Digest, facts: LayerFacts): KnownLayer;
}

/** Manifests and configs, kept as they came and hashed again when read: one that does not match counts as absent. */
export interface DocumentStore {
  putManifest(digest: Digest, bytes: Uint8Array): void;
  getManifest(digest: Digest): Uint8Array | undefined;
  putConfig(digest: Digest, bytes: Uint8Array): void;
  getConfig(digest: Digest): Uint8Array | undefined;
}

/** Images and their names. */
export interface ImageIndex {
  /** Records the digest that a name was resolved to last. The image must be recorded before. */
  putName(reference: string, digest: Digest, via?: readonly Digest[]): void;
  /** Records an image whose layers are all in the store; `pulledAt` becomes now. */
  putImage(image: Omit<ImageRecord, 'pulledAt'>): void;
  listImages(): readonly StoredImage[];
  /**
   * Removes names; an image that has no name left is removed with its layers. Throws `STORE_IMAGE_UNKNOWN`, and
   * `STORE_IMAGE_IN_USE` for an image that is mounted or being pulled; then nothing has been removed.
   */
  removeImages(targets: readonly RemovalTarget[]): Promise<Removal>;
  /** Removes what no name, mount or pull needs; with `all`, also the names that no mount or pull needs. */
  prune(options: { readonly all: boolean }): Promise<Removal>;
}

/** Writable layers of containers, and the records of their mounts. */
export interface UpperStore {
  /** Creates an upper that no sweep removes until it is settled or trashed, or the store is closed. */
  createUpper(): Promise<Upper>;
  /** Call when the upper is mounted: from then on it is kept as long as its mount. */
  settleUpper(id: string): void;
  /** Moves an upper to the trash, which is emptied in the background. */
  trashUpper(id: string): Promise<void>;
  putMount(record: MountRecord): void;
  removeMount(id: string): void;
  /** Moves uppers of finished containers to the trash and removes their records. Returns how many uppers were moved. */
  sweepUppers(): Promise<number>;
}

/** The room in the writable backing. */
export interface StoreSpace {
  /** The directory of the writable backing. */
  readonly dataDir: string;
  /** Evicts when even the compressed bytes do not fit, and throws `STORE_SPACE_EXHAUSTED` when that does not help. */
  checkSpace(need: SpaceNeed): Promise<SpaceReport & { readonly removal: Removal | undefined }>;
  /** Prunes, and removes images that are not in use, oldest first, until `bytes` are free or nothing is left to remove. */
  evictFor(bytes: number): Promise<Eviction>;
}

/** An open store. Callers take the slices that they need. */
export interface Store extends LayerStore, DocumentStore, ImageIndex, UpperStore, MountState, StoreSpace {
  /** The caller releases the lease. */
  openLease(): Lease;
  /** Ends background work and releases the store's locks. The store is not used afterwards. */
  close(): Promise<void>;
}
