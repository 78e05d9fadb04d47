import type { ByteString } from '../bytes/index.ts';
import type { LayerFormatName, LayerImageRequest, LayerKey, PublishedLayer } from '../layer-formats/index.ts';
import type { Usability } from '../platform/index.ts';
import type { LayerFacts } from '../unpack/index.ts';

/** A published layer with the facts that plans need; a `StoredLayer` of the store fits. */
export interface SnapshotLayer extends PublishedLayer {
  readonly record: PublishedLayer['record'] & { readonly facts: LayerFacts };
}

/** Why a layer cannot be used as it was published under its diffID. */
export type ChainReason =
  /** A parent without an entry is a symlink in the layers below. */
  | { readonly kind: 'symlinked-parent'; readonly path: ByteString; readonly target: ByteString }
  /** Marks in a directory where nothing lies below. */
  | { readonly kind: 'idle-marks'; readonly path: ByteString }
  /** A hard link whose target lies in the layers below. */
  | { readonly kind: 'unresolved-link'; readonly path: ByteString; readonly target: ByteString };

export type ChainPlan =
  | { readonly kind: 'independent' }
  | { readonly kind: 'needs-chain'; readonly reasons: readonly ChainReason[] };

/** A directory to make in a fresh upper; parents come first, the root has the empty path. */
export interface UpperDirectory {
  readonly path: ByteString;
  /** Index of the layer, bottom to top, whose attributes it takes; undefined: 0755, 0:0, mtime 0. */
  readonly source: number | undefined;
}

/** What one layer by itself has at a path. */
export type LayerNodeKind = 'absent' | 'whiteout' | 'directory' | 'opaque-directory' | 'other';

/** Where a rootfs is to be mounted. */
export interface MountTarget {
  /** Absolute; `unmount` has to name it in the same way. */
  readonly path: string;
  /** A descriptor of the directory, held open by the caller since the pull began; undefined: opened now. */
  readonly heldFd: number | undefined;
}

export interface OverlayMount {
  /** Layer directories, topmost first, each once. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly target: MountTarget;
}

export interface MountedLayerImage {
  readonly directory: string;
  /** Reads go past the page cache of the file below, so that only one copy of them is kept. */
  readonly directIo: boolean;
}

/** Keys by what became of their mounts; those where nothing was mounted are in neither list. */
export interface LayerSweep {
  readonly unmounted: readonly string[];
  /** Somebody has a file or directory of the mount open. */
  readonly busy: readonly string[];
}

/** What this machine does with layer images. */
export interface LayerFormatProbe {
  readonly loop: Usability;
  /** Mounted, and shown with all that layers need. */
  readonly erofs: Usability;
  readonly directIo: boolean;
}

/** The format for new layers, with the reason for a log or the doctor. */
export interface ChosenLayerFormat {
  readonly format: LayerFormatName;
  readonly reason: string;
}

/** Works on layers and uppers, which may lie on a stalled disk: plain data in and out, synchronous, run in a worker. */
export interface SnapshotOperations {
  /** Compares one layer with the final chain below it, given topmost first; throws `UNPACK_ENTRY_INVALID`. */
  planChain(request: { readonly facts: LayerFacts; readonly lowers: readonly string[] }): ChainPlan;
  /** Makes directories with the attributes of lower layers in a fresh upper; layers come bottom to top, each once. */
  prepareUpper(request: { readonly layers: readonly PreparedLayer[]; readonly upper: string }): PreparedUpper;
  /** Mounts an overlay, or throws `SNAPSHOT_MOUNT_FAILED` and leaves no mount. */
  mountSnapshot(request: OverlayMount): void;
  /** False when nothing is mounted there. Throws `SNAPSHOT_MOUNT_FAILED`. */
  unmountSnapshot(request: { readonly target: string }): boolean;
  /**
   * Mounts images read-only in turn, or finds them mounted; images of one file share one loop device and one
   * superblock. Throws `SNAPSHOT_MOUNT_FAILED` and leaves of the one that failed neither mount nor device;
   * `STORE_LOCK_TIMEOUT`.
   */
  mountLayerImages(request: {
    /** In state: memory of the guest, which no disk can stall. Made when absent. */
    readonly mountsDir: string;
    /** Each is mounted at `<mountsDir>/<key>`. */
    readonly images: readonly LayerImageRequest[];
  }): readonly MountedLayerImage[];
  /** Unmounts layers that nobody uses, which the caller has made sure of. */
  sweepLayerMounts(request: { readonly mountsDir: string; readonly keys: readonly string[] }): LayerSweep;
  /** Mounts a tiny image from an existing directory; throws `STORE_IO_FAILED` when that cannot hold it. */
  probeLayerFormats(request: { readonly directory: string }): LayerFormatProbe;
}

export interface PreparedLayer {
  readonly path: string;
  readonly implied: LayerFacts['implied'];
}

export interface PreparedUpper {
  /** How many directories got attributes, the root among them. */
  readonly directories: number;
  /** Extended attributes that the upper's file system cannot hold. */
  readonly droppedXattrs: number;
}

/** A writable upper of one mount. */
export interface SnapshotUpper {
  readonly id: string;
  readonly upper: string;
  readonly work: string;
}

/** What is remembered of a mount; written before it is made. */
export interface SnapshotRecord {
  readonly id: string;
  readonly target: string;
  /** Keys of the layers, bottom to top. */
  readonly layers: readonly LayerKey[];
  readonly upper: string;
  readonly imageDigest: string;
}

/** The part of the store that mounts need. */
export interface SnapshotStore {
  createUpper(): Promise<SnapshotUpper>;
  trashUpper(id: string): Promise<void>;
  putMount(record: SnapshotRecord): void;
  listMounts(): readonly SnapshotRecord[];
  removeMount(id: string): void;
}

/** A lock among processes and among the parts of this one. */
export interface LayerLock {
  /** False, and nothing is held, when somebody else holds it too. */
  tryConvert(mode: 'exclusive'): boolean;
  /** `remove` takes the file of the lock away too; only for exclusive locks. */
  release(options?: { readonly remove: boolean }): void;
}

/** A layer whose tree can be read at `directory`. */
export type ReadableLayer<Layer extends SnapshotLayer = SnapshotLayer> = Layer & { readonly directory: string };

/** Keeps the layers it was asked for mounted. */
export interface LayerLease {
  /**
   * The same layers, each readable in its own directory or in the one where its image is mounted from now on. One call
   * at a time. Throws `SNAPSHOT_MOUNT_FAILED` and `STORE_LOCK_TIMEOUT`.
   */
  open<Layer extends SnapshotLayer>(layers: readonly Layer[]): Promise<readonly ReadableLayer<Layer>[]>;
  /** From now on a sweep may unmount what no container uses. Does nothing the second time. */
  release(): void;
}

/** The mounts of layer images, one for each layer, whatever the number of containers and processes. */
export interface LayerMounts {
  lease(): LayerLease;
  /** Unmounts the images that neither a lease nor a mounted rootfs uses, in any process and mount namespace. */
  sweep(): Promise<void>;
}

export interface SnapshotRequest {
  /** Bottom to top, as in the manifest; repeated layers stay repeated. */
  readonly layers: readonly SnapshotLayer[];
  readonly target: MountTarget;
  readonly imageDigest: string;
}

export interface MountedSnapshot {
  readonly id: string;
  readonly target: string;
  readonly upper: string;
}

export interface Snapshotter {
  /** Mounts the layers with a fresh upper; when it fails, nothing is mounted and the upper goes to the trash. */
  mount(request: SnapshotRequest): Promise<MountedSnapshot>;
  /**
   * False when nothing was mounted at `target`. Its upper and record go in any case, unless a container still has the
   * mount in a namespace of its own: then the next call takes them.
   */
  unmount(target: string): Promise<boolean>;
}
