import type { ByteString } from '../bytes/index.ts';
import type { PathFactsFile } from '../layer-facts/index.ts';
import type { LayerFormatName, LayerImageRequest, LayerKey, PublishedLayer } from '../layer-formats/index.ts';
import type { PlanBudget } from '../limits/index.ts';
import type { CallOptions } from '../operations/index.ts';
import type { Usability } from '../platform/index.ts';

/** A published layer with the facts that plans need; a `StoredLayer` of the store fits. */
export interface SnapshotLayer extends PublishedLayer {
  readonly paths: PathFactsFile | undefined;
}

/** Why a layer cannot be used as it was published under its diffID. */
export type ChainReason =
  /** A parent without an entry is a symlink in the layers below. */
  | { readonly kind: 'symlinked-parent'; readonly path: ByteString; readonly target: ByteString }
  /** Marks in a directory at whose path the layers below have nothing. */
  | { readonly kind: 'idle-marks'; readonly path: ByteString }
  /** A hard link whose target lies in the layers below. */
  | { readonly kind: 'unresolved-link'; readonly path: ByteString; readonly target: ByteString };

export type ChainPlan =
  | { readonly kind: 'independent' }
  | {
      readonly kind: 'needs-chain';
      /** The first few. */
      readonly reasons: readonly ChainReason[];
    };

/** A layer whose tree can be read at `directory`, and its path facts; undefined: it is known to have none that matter. */
export interface LayerToPlan {
  readonly directory: string;
  readonly facts: PathFactsFile | undefined;
}

export interface LayersToPlan {
  /** Bottom to top. */
  readonly layers: readonly LayerToPlan[];
  /** Position of the first layer that is in question; those below it are as they will be mounted. */
  readonly from: number;
  readonly steps: PlanBudget;
  readonly maxPlanBytes: number;
}

/** Which layers can be mounted as they are. `steps`: how many names were looked at so far. */
export type LayersPlan =
  | { readonly kind: 'independent'; readonly steps: number }
  | {
      readonly kind: 'needs-chain';
      /** The lowest layer that cannot. The layers above it depend on what it becomes. */
      readonly position: number;
      /** The first few. */
      readonly reasons: readonly ChainReason[];
      readonly steps: number;
    };

/** A directory to create in a fresh upper; the root has the empty path. */
export interface UpperDirectory {
  readonly path: ByteString;
  /** Index, bottom to top, of the layer whose attributes it gets; undefined: 0755, 0:0, mtime 0. */
  readonly source: number | undefined;
}

/** What one layer by itself has at a path. */
export type LayerNodeKind = 'absent' | 'whiteout' | 'directory' | 'symlink' | 'other';

/** The directory that a rootfs is mounted on. */
export interface MountTarget {
  /** Absolute. `unmount` takes exactly this text. */
  readonly path: string;
  /** A descriptor of the directory that the caller opened when the pull began; undefined: it is opened for the mount. */
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
  /** True when reads bypass the page cache of the image file, so that memory holds only one copy. */
  readonly directIo: boolean;
}

/** The keys whose images were unmounted or were busy. Keys without a mount are in neither list. */
export interface LayerSweep {
  readonly unmounted: readonly string[];
  /** A process has a file or directory of the mount open. */
  readonly busy: readonly string[];
}

/** What this machine can do with layer images. */
export interface LayerFormatProbe {
  readonly loop: Usability;
  /** Usable when the kernel mounts an image and shows everything that layers need. */
  readonly erofs: Usability;
  /** Undefined when the disk had no room for the image, which was mounted from memory instead. */
  readonly directIo: boolean | undefined;
}

/** The format for new layers, with the reason for a log or the doctor. */
export interface ChosenLayerFormat {
  readonly format: LayerFormatName;
  readonly reason: string;
}

/** Work on layers and uppers, which may lie on a stalled disk: synchronous, plain data in and out, run in a worker. */
export interface SnapshotOperations {
  /**
   * Compares layers with those below them. May compute for seconds, so it is called in a lane of the pull. Throws
   * `UNPACK_ENTRY_INVALID`, `LAYER_LIMIT_EXCEEDED` and `STORE_RECORD_CORRUPT`.
   */
  planLayers(request: LayersToPlan): LayersPlan;
  /** Creates directories with the attributes of lower layers in a fresh upper. For the rest as `planLayers`. */
  prepareUpper(request: UpperToPrepare): PreparedUpper;
  /** Mounts an overlay. Throws `SNAPSHOT_MOUNT_FAILED` and then leaves no mount. */
  mountSnapshot(request: OverlayMount): void;
  /** Returns false when no overlay is mounted there. Throws `SNAPSHOT_MOUNT_FAILED`. */
  unmountSnapshot(request: { readonly target: string }): boolean;
  /**
   * Mounts images read-only, one after the other, unless they are mounted already. Images of one file share one loop
   * device and one superblock. Throws `SNAPSHOT_MOUNT_FAILED`, without a mount or device of the image that failed, and
   * `STORE_LOCK_TIMEOUT`.
   */
  mountLayerImages(request: {
    /** A directory of state: memory of the guest, which no disk can stall. Created when absent. */
    readonly mountsDir: string;
    /** Each is mounted at `<mountsDir>/<key>`. */
    readonly images: readonly LayerImageRequest[];
  }): readonly MountedLayerImage[];
  /** Unmounts layers. The caller has made sure that no container uses them. */
  sweepLayerMounts(request: { readonly mountsDir: string; readonly keys: readonly string[] }): LayerSweep;
  /**
   * Mounts a tiny image from an existing directory, or from memory when the directory has no room for it. Throws
   * `STORE_IO_FAILED` when the image cannot be written there for another reason.
   */
  probeLayerFormats(request: { readonly directory: string }): LayerFormatProbe;
}

export interface UpperToPrepare {
  /** Bottom to top, each once. */
  readonly layers: readonly LayerToPlan[];
  readonly upper: string;
  readonly steps: PlanBudget;
  readonly maxPlanBytes: number;
}

export interface PreparedUpper {
  /** The number of directories that got attributes, the root included. */
  readonly directories: number;
  /** The number of extended attributes that the upper's file system cannot hold. */
  readonly droppedXattrs: number;
}

/** A writable upper of one mount. */
export interface SnapshotUpper {
  readonly id: string;
  readonly upper: string;
  readonly work: string;
}

/** The record of a mount, written before the mount. */
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

/** A lock among processes, and among the leases and sweeps of this process. */
export interface LayerLock {
  /** Returns false, with the lock lost, when another holder has it too. */
  tryConvert(mode: 'exclusive'): boolean;
  /** `remove` also removes the lock's file; only for exclusive locks. */
  release(options?: { readonly remove: boolean }): void;
}

/** A layer whose tree can be read at `directory`. */
export type ReadableLayer<Layer extends SnapshotLayer = SnapshotLayer> = Layer & { readonly directory: string };

/** Keeps layers mounted until it is released. */
export interface LayerLease {
  /**
   * Mounts the images among the layers and returns the layers with the directory where each can be read: its own or the
   * mount point of its image. One call at a time. Throws `SNAPSHOT_MOUNT_FAILED`, `SNAPSHOT_TREE_MISSING` and
   * `STORE_LOCK_TIMEOUT`.
   */
  open<Layer extends SnapshotLayer>(layers: readonly Layer[]): Promise<readonly ReadableLayer<Layer>[]>;
  /** Allows sweeps to unmount the layers that no container uses. Idempotent. */
  release(): void;
}

/** The mounts of layer images: one for each layer, shared by all containers and processes. */
export interface LayerMounts {
  /** The caller releases the lease. */
  lease(): LayerLease;
  /** Unmounts the images that neither a lease nor a mounted rootfs uses, in any process and mount namespace. */
  sweep(): Promise<void>;
}

export interface SnapshotRequest {
  /** Bottom to top, as in the manifest; repeated layers stay repeated. */
  readonly layers: readonly SnapshotLayer[];
  readonly target: MountTarget;
  readonly imageDigest: string;
  /** Where the part of the work that may compute for seconds is done, and what ends it. */
  readonly call: Pick<CallOptions, 'lane' | 'signal'>;
}

export interface MountedSnapshot {
  readonly id: string;
  readonly target: string;
  readonly upper: string;
}

export interface Snapshotter {
  /** Mounts the layers with a fresh upper. When it fails, nothing is mounted and the upper is in the trash. */
  mount(request: SnapshotRequest): Promise<MountedSnapshot>;
  /**
   * Unmounts the overlay at `target`; returns false when none was mounted there. Removes its upper and record in either
   * case, unless a container still has the mount in a namespace of its own: then a later call removes them.
   */
  unmount(target: string): Promise<boolean>;
}
