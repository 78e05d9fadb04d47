import type { ByteString } from '../bytes/index.ts';
import type { LayerFacts } from '../unpack/index.ts';

/** A published layer as this room needs it; a `StoredLayer` of the store fits. */
export interface SnapshotLayer {
  /** Absolute path of the layer's directory. */
  readonly path: string;
  readonly record: { readonly key: string; readonly facts: LayerFacts };
}

/** Why a layer cannot be used as it was published under its diffID. */
export type ChainReason =
  /** A parent without an entry is a symlink in the layers below. */
  | { readonly kind: 'symlinked-parent'; readonly path: ByteString; readonly target: ByteString }
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
export type LayerNode = 'absent' | 'whiteout' | 'directory' | 'opaque-directory' | 'other';

/** Where a rootfs is to be mounted. */
export interface MountTarget {
  /** Absolute; `unmount` has to name it in the same way. */
  readonly path: string;
  /** A descriptor of the directory, held open by the caller since the pull began; undefined: opened now. */
  readonly heldFd: number | undefined;
}

export interface MountRequest {
  /** Layer directories, topmost first, each once. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly target: MountTarget;
}

/** Works on layers and uppers, which may lie on a stalled disk: plain data in and out, synchronous, run in a worker. */
export interface SnapshotOperations {
  /** Compares one layer with the final chain below it, given topmost first; throws `UNPACK_ENTRY_INVALID`. */
  planChain(request: { readonly facts: LayerFacts; readonly lowers: readonly string[] }): ChainPlan;
  /** Makes directories with the attributes of lower layers in a fresh upper; layers come bottom to top, each once. */
  prepareUpper(request: { readonly layers: readonly PreparedLayer[]; readonly upper: string }): PreparedUpper;
  /** Mounts an overlay, or throws `SNAPSHOT_MOUNT_FAILED` and leaves no mount. */
  mountSnapshot(request: MountRequest): void;
  /** False when nothing is mounted there. Throws `SNAPSHOT_MOUNT_FAILED`. */
  unmountSnapshot(request: { readonly target: string }): boolean;
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

export type SnapshotOperation = {
  [Kind in keyof SnapshotOperations]: {
    readonly kind: Kind;
    readonly request: Parameters<SnapshotOperations[Kind]>[0];
  };
}[keyof SnapshotOperations];

/** Has an operation done in a worker; rejects with the `SealiftError` that it threw there. */
export type RunSnapshotOperation = <Kind extends keyof SnapshotOperations>(
  kind: Kind,
  request: Parameters<SnapshotOperations[Kind]>[0],
) => Promise<ReturnType<SnapshotOperations[Kind]>>;

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
  readonly layers: readonly string[];
  readonly upper: string;
  readonly imageDigest: string;
}

/** The part of the store that mounts need. */
export interface SnapshotShelf {
  createUpper(): Promise<SnapshotUpper>;
  trashUpper(id: string): Promise<void>;
  putMount(record: SnapshotRecord): void;
  listMounts(): readonly SnapshotRecord[];
  removeMount(id: string): void;
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
