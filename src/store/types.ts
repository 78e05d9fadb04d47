import type { LayerSummary, PathFactsFile } from '../layer-facts/index.ts';
import type { LayerImage, LayerKey } from '../layer-formats/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Run } from '../operations/index.ts';
import type { Checkpoint, Clock, Resource } from '../platform/index.ts';
import type { HeldLock } from './lock-file.ts';

/** The record of a published layer, or of a diffID that cannot be published by itself. It lies in guest memory. */
export interface LayerRecord {
  readonly key: LayerKey;
  readonly diffId: Digest;
  /** `published`: the layer lies under its key. `needs-chain`: it hard-links into lower layers, so it has a chain key. */
  readonly state: 'published' | 'needs-chain';
  readonly facts: LayerSummary;
  /** Bytes that the layer uses on its backing; 0 for `needs-chain`. */
  readonly diskBytes: number;
  /** Present for layers whose format is an image. */
  readonly image?: LayerImage;
}

export interface StoredLayer {
  readonly record: LayerRecord;
  /** Absolute path of the layer's directory, or of its image file. */
  readonly path: string;
  /** The path facts of the layer, which are never read in the main thread. */
  readonly paths: PathFactsFile | undefined;
}

/** What the store has under a key: a layer to mount, or the fact that only a chained copy of it can be mounted. */
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
  /** A path in state at which the worker that applies the layer makes a file with the path facts. */
  readonly factsPath: string;
  /**
   * Makes the layer visible under its key. Only inside {@link LayerStore.withLayer} for that key, after every check. Formats
   * whose layers are files need `image`; the others take none. Throws `LAYER_LIMIT_EXCEEDED` when the records of the store
   * become too large.
   */
  publish(facts: LayerSummary, image?: LayerImage): Promise<KnownLayer>;
  discard(): Promise<void>;
}

/** A writable layer of one container; the directories `upper` and `work` are empty. */
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

/** A reference as it was pulled, and the manifest that it was resolved to. */
export interface NameRecord {
  readonly reference: string;
  readonly digest: Digest;
  /** The indexes on the way to the manifest, outermost first. */
  readonly via: readonly Digest[];
}

/** An image whose layers are all in the store. */
export interface ImageRecord {
  readonly manifestDigest: Digest;
  readonly configDigest: Digest;
  /** Bottom to top, as they are mounted. */
  readonly layerKeys: readonly LayerKey[];
  readonly platform: string;
  /** When a pull of it ended last, by the machine's clock (RFC 3339). It orders images and proves nothing. */
  readonly pulledAt: string;
}

/** An image as users see it. */
export interface StoredImage {
  readonly record: ImageRecord;
  readonly names: readonly string[];
  /** Bytes that its layers use on their backings, each layer once. */
  readonly diskBytes: number;
  /** The part of `diskBytes` that other images use as well. */
  readonly sharedBytes: number;
  /** The mount points of its containers. */
  readonly mounts: readonly string[];
}

/** A signature as it was found. The store only keeps it: nothing in it is believed, and it is verified at each use. */
export interface StoredSignature {
  readonly rawBytes: Uint8Array;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where it was found, for messages. */
  readonly origin: string;
}

export type StoreLimits = Pick<
  Limits,
  'maxStoreFactsBytes' | 'maxKeptSignatures' | 'maxKeptSignatureBytes' | 'maxSignedImages' | 'maxStoreSignatureBytes'
>;

/** What was removed, and the space that this freed. */
export interface Removal {
  readonly names: readonly string[];
  readonly images: readonly Digest[];
  readonly layers: readonly LayerKey[];
  /** The number of manifests, indexes and configs. */
  readonly documents: number;
  /** The number of writable layers of finished containers. */
  readonly uppers: number;
  /** Bytes freed on the backing. */
  readonly freedBytes: number;
}

/** What to remove: one name of an image, or the whole image. */
export type RemovalTarget =
  | { readonly kind: 'name'; readonly reference: string }
  | { readonly kind: 'image'; readonly digest: Digest };

/**
 * Protects what one pull works with from removal by this and by other processes. What is held before it is looked for
 * cannot be removed after it was found.
 */
export interface Lease {
  /** Holds a layer by its key, or a manifest or config by its digest. Throws `STORE_LOCK_TIMEOUT`, `PULL_CANCELLED`. */
  hold(thing: LayerKey | Digest, signal?: AbortSignal): Promise<void>;
  /** Lists what is held. */
  held(): ReadonlySet<LayerKey | Digest>;
  /** Call it when names and mounts refer to everything that must stay. Idempotent. */
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
  /** The bytes to fetch; layers are rarely smaller than this. */
  readonly compressedBytes: number;
  /** The bytes that the layers are expected to use. */
  readonly estimatedBytes: number;
}

/** The space of a backing. */
export interface SpaceFacts {
  readonly sizeBytes: number;
  /** For a backing in memory, at most the memory that the machine has available. */
  readonly availableBytes: number;
  /** Undefined where the file system has no fixed number of inodes. */
  readonly freeInodes: number | undefined;
}

/**
 * How much a backing must have after an eviction: so many available bytes, or so many free inodes. How much a quota still
 * allows cannot be measured: there it is the number of bytes to be freed.
 */
export interface EvictionNeed {
  readonly resource: Resource;
  readonly amount: number;
  /** The part of an amount of bytes that is no estimate. When even all images that may go do not free it, all stay. */
  readonly certainBytes?: number;
}

export interface PruneOptions {
  readonly all: boolean;
  /** Ends the wait for another removal. */
  readonly signal?: AbortSignal | undefined;
}

export interface SpaceReport extends SpaceFacts {
  /** `tight`: more than the compressed bytes and less than the estimate is free. */
  readonly verdict: 'fits' | 'tight' | 'exhausted';
}

/** What was removed to free space, and the space afterwards. */
export interface Eviction extends SpaceFacts {
  /** The bytes that are available; where all images stayed, those that would be without every image that may go. */
  readonly attainableBytes: number;
  readonly removal: Removal;
}

/** The names in each part of a backing. */
export interface DataListing {
  readonly layers: readonly string[];
  readonly staging: readonly string[];
  readonly uppers: readonly string[];
  readonly trash: readonly string[];
}

/** The parts of a backing whose entries can be moved to the trash by name. */
export type DataArea = 'layers' | 'staging' | 'uppers';

/** A layer to look for, as its record describes it. */
export interface SoughtLayer {
  readonly key: LayerKey;
  /** The length of an image file; undefined for a directory. */
  readonly bytes: number | undefined;
}

/** Work on a backing, which may lie on a stalled disk: synchronous, with plain data in and out, run in a worker. */
export interface StoreOperations {
  /** Creates the layout of a writable backing. Throws `STORE_INVALID` for a directory that is not a store's. */
  prepareData(request: { readonly dataDir: string }): void;
  /** Throws `STORE_INVALID` for a directory that others could have planted layers in; changes nothing. */
  checkReadOnlyData(request: { readonly dataDir: string }): void;
  listData(request: { readonly dataDir: string }): DataListing;
  /** Returns the keys of the layers that lie there; an image counts only with its length. */
  presentLayers(request: { readonly dataDir: string; readonly layers: readonly SoughtLayer[] }): readonly LayerKey[];
  /** Returns the bytes that a staged layer uses. Throws `STORE_STAGING_ALTERED` when it is not as it was written. */
  measureStaging(request: {
    readonly dataDir: string;
    readonly name: string;
    readonly key: LayerKey;
    readonly image: LayerImage | undefined;
  }): number;
  /** Returns the path of the new directory. */
  makeStaging(request: { readonly dataDir: string; readonly name: string }): string;
  /** Renames a staged tree or image to its key; false when another process's lies there. `durable` syncs first. */
  publishLayer(request: {
    readonly dataDir: string;
    readonly staging: string;
    readonly key: LayerKey;
    readonly durable: boolean;
  }): boolean;
  makeUpper(request: { readonly dataDir: string; readonly id: string }): Upper;
  /** Renames into the trash, under a random name; false when there is no such entry. */
  moveToTrash(request: { readonly dataDir: string; readonly area: DataArea; readonly name: string }): boolean;
  /** Deletes what is in the trash; counts what cannot be deleted, and leaves it for the next call. */
  emptyTrash(request: { readonly dataDir: string }): { readonly removed: number; readonly failed: number };
  /** Returns the bytes that the trash uses. */
  measureTrash(request: { readonly dataDir: string }): number;
  /** The device number is st_dev of the file system. */
  measureSpace(request: { readonly dataDir: string }): SpaceFacts & { readonly device: number };
}

/** A directory whose `layers` are those of a store. */
export interface LayerBacking {
  /** Absolute path. A writable backing is made with mode 0700 when absent. */
  readonly dir: string;
  /** False when layers are found here, but never made, replaced or removed. */
  readonly writable: boolean;
}

export interface StoreOptions {
  /** The directory of index, names and locks: in a guest always memory. Made with mode 0700 when absent. */
  readonly stateDir: string;
  /**
   * Where layers lie, searched in this order. Exactly one is writable; it also has staging, uppers and trash, all on one
   * file system.
   */
  readonly backings: readonly LayerBacking[];
  /** Layers and index of another boot are removed; a durable store only removes the records of mounts. */
  readonly bootId: string;
  /** Free bytes that a pull must leave; at most an eighth of the backing. */
  readonly minFreeBytes: number;
  /** True when the backing outlives a crash of the machine: layers are synced before they become visible. */
  readonly durable: boolean;
  readonly lockTimeoutMs: number;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  /** Returns milliseconds since the epoch. */
  readonly epochMs: () => number;
  readonly checkpoint: Checkpoint;
  readonly runOperation: Run<StoreOperations>;
  /** Returns the uppers that are mounted in any mount namespace. Reads procfs only. */
  readonly findMountedUppers: (ids: readonly string[]) => ReadonlySet<string>;
  /** Unmounts the layer images that no mounted rootfs uses. Called before unneeded layers are removed. */
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
  rememberNeedsChain(key: LayerKey, diffId: Digest, facts: LayerSummary): KnownLayer;
}

/** Manifests and configs, kept as they came and hashed again when read: one that does not match counts as absent. */
export interface DocumentStore {
  putManifest(digest: Digest, bytes: Uint8Array): void;
  getManifest(digest: Digest): Uint8Array | undefined;
  putConfig(digest: Digest, bytes: Uint8Array): void;
  getConfig(digest: Digest): Uint8Array | undefined;
}

/** Signatures of images. They go with their image, and earlier when there are too many. */
export interface SignatureStore {
  /** Returns the signatures of an image, the one to try first in front; none when the record is absent or damaged. */
  getSignatures(image: Digest): readonly StoredSignature[];
  /** Replaces them. As many from the front on stay as the limits allow. */
  putSignatures(image: Digest, signatures: readonly StoredSignature[]): void;
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
  removeImages(targets: readonly RemovalTarget[], signal?: AbortSignal): Promise<Removal>;
  /** Removes what no name, mount or pull needs; with `all`, also the names that no mount or pull needs. */
  prune(options: PruneOptions): Promise<Removal>;
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
  checkSpace(need: SpaceNeed, signal?: AbortSignal): Promise<SpaceReport & { readonly removal: Removal | undefined }>;
  /**
   * Prunes, and removes images that are not in use, oldest first, until the need is met or nothing is left to remove. It
   * removes no image when that cannot free the bytes that are certain. The signal ends the wait for another removal.
   */
  evictFor(need: EvictionNeed, signal?: AbortSignal): Promise<Eviction>;
  /** True if records lie on the file system of the data, so that removing images makes room for them as well. */
  sharesFileSystem(): Promise<boolean>;
  /** Removes those of these layers and documents, given by key and digest, that no name, mount or pull needs. */
  removeUnused(among: ReadonlySet<string>, signal?: AbortSignal): Promise<Removal>;
}

/** An open store. Callers take the slices that they need. */
export interface Store
  extends LayerStore,
    DocumentStore,
    SignatureStore,
    ImageIndex,
    UpperStore,
    MountState,
    StoreSpace {
  /** The caller releases the lease. */
  openLease(): Lease;
  /** Ends background work and releases the store's locks. The store is not used afterwards. */
  close(): Promise<void>;
}
