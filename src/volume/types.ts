import type { IntegrityAlgorithm, MemorySize } from '../config/index.ts';
import type { PlainError } from '../errors/index.ts';
import type { LaneName, Run } from '../operations/index.ts';
import type { Checkpoint, Clock, CommandRunner, FileSystemSpace } from '../platform/index.ts';

/** How a request names the block device. */
export type VolumeSource =
  /** The device numbers, as the kata agent sends them. */
  | { readonly kind: 'deviceId'; readonly major: number; readonly minor: number }
  /** One name below /dev. */
  | { readonly kind: 'devicePath'; readonly path: string }
  /** The first of these names that exists. */
  | { readonly kind: 'nodes'; readonly paths: readonly string[] };

/** What a disk is mounted for: the image store, or files of containers (an encrypted `emptyDir` of Kubernetes). */
export type VolumePurpose = 'imageStore' | 'emptyDir';

/** A request to encrypt and mount a device. */
export interface VolumeRequest {
  readonly source: VolumeSource;
  /** An absolute path without `.`, `..` and a slash at the end. */
  readonly mountPoint: string;
  /** For how many bytes the file system gets an inode; chosen by its size when absent. */
  readonly bytesPerInode?: number;
}

/** A request with what it is for, which its mount point decides. */
export interface PurposefulRequest {
  readonly purpose: VolumePurpose;
  readonly request: VolumeRequest;
}

/** Where requests may mount. */
export interface MountBounds {
  /** The mount point of the image store. */
  readonly imageStore: string;
  /** Directories below which any number of other volumes may be mounted. */
  readonly mountRoots: readonly string[];
}

/** The message `api.SecureMountRequest` as it was received, unchecked. */
export interface SecureMountRequest {
  readonly volumeType: string;
  readonly options: ReadonlyMap<string, string>;
  readonly flags: readonly string[];
  readonly mountPoint: string;
}

export interface VolumeSettings {
  readonly purpose: VolumePurpose;
  readonly integrity: IntegrityAlgorithm;
  /** False: memory is used while the device is not usable, and every status reports this. */
  readonly required: boolean;
  /** How long to wait for a device that does not exist yet; 0: not at all. */
  readonly waitMs: number;
  /** A directory in guest memory, never below the mount point of a volume. Created with mode 0700 when absent. */
  readonly stateDir: string;
  /** The name of the dm-crypt mapping. Mappings of this name belong to this program and may be removed. */
  readonly mapperName: string;
  readonly memory: { readonly mountPoint: string; readonly size: MemorySize };
  /** Identifies the boot. Records of another boot are ignored. */
  readonly bootId: string;
  /** The deadline of a preparation, from request to response; see `volumeTimeoutMs` of the limits. */
  readonly timeoutMs: number;
}

/** A whole disk as the kernel described it when it was claimed. */
export interface DeviceFacts {
  /** `254:0` */
  readonly deviceId: string;
  /** Its device node, such as /dev/vda. */
  readonly path: string;
  readonly bytes: number;
  readonly sectorBytes: number;
  /** The kernel's sequence number of disks. A disk that replaces another one gets a new number. */
  readonly diskseq: string;
}

/** The encrypted device on top of the disk. */
export interface MappingFacts {
  readonly name: string;
  /** `253:1` */
  readonly deviceId: string;
  readonly path: string;
  readonly bytes: number;
  /** The UUIDs of the dm-crypt mapping and of the dm-integrity mapping below it. */
  readonly uuids: readonly [crypt: string, integrity: string];
}

/** `stalled`: the disk or a program missed its deadline, and may still be working. */
export type VolumeState = 'absent' | 'preparing' | 'ready' | 'failed' | 'stalled';

/** The file in the state directory from which a restart finds the volume again. */
export interface VolumeRecord {
  readonly format: 1;
  readonly bootId: string;
  /** An absent volume has no record. */
  readonly state: Exclude<VolumeState, 'absent'>;
  readonly request: VolumeRequest;
  /** The disk, once it is claimed. */
  readonly device?: DeviceFacts;
  /** The expected tables and the mapping; present when `ready`, and afterwards when the volume stalls or is lost. */
  readonly expected?: ExpectedMapping;
  readonly mapping?: MappingFacts;
  /** Present when the state is `failed` or `stalled`. */
  readonly error?: PlainError;
}

/** A record without the fields that identify its format and boot. */
export type KnownVolume = Omit<VolumeRecord, 'format' | 'bootId'>;

interface Backing {
  /** A directory of mode 0700 that holds only files of the store. */
  readonly directory: string;
  /** Why this backing was chosen, for logs and responses. */
  readonly reason: string;
}

/** The backing that is used for images now. */
export type VolumeBacking =
  /** `mappingUuid` is the UUID of the dm-crypt mapping: it changes when the disk is prepared again. */
  (Backing & { readonly kind: 'device'; readonly mappingUuid: string }) | (Backing & { readonly kind: 'memory' });

/** The space of the file system that a volume's backing lies on. */
export type VolumeSpace = FileSystemSpace;

/** The full status of a volume, as plain data. */
export interface VolumeStatus {
  readonly state: VolumeState;
  /** Undefined: pulls are refused with `error`. */
  readonly backing: VolumeBacking | undefined;
  readonly device: DeviceFacts | undefined;
  readonly mountPoint: string | undefined;
  readonly mapping: MappingFacts | undefined;
  /** The cipher as dm-crypt names it. */
  readonly cipher: string | undefined;
  readonly integrity: IntegrityAlgorithm | undefined;
  /** Undefined: nothing is mounted, or the disk did not answer. */
  readonly space: VolumeSpace | undefined;
  /** Why the last preparation failed or the volume was lost. */
  readonly error: PlainError | undefined;
  /** The number of programs that were killed after their deadline and that the kernel has not ended yet. */
  readonly stuckPrograms: number;
}

/** The part of the status that needs no access to the disk. */
export type VolumeSummary = Omit<VolumeStatus, 'space'>;

/** Provides the backing of the image store: a disk of the host under dm-crypt, or memory of the guest. */
export interface Volume {
  /**
   * Makes the disk the image store. Idempotent: callers with the same request share one preparation, and a later call
   * finds the mounted volume. Throws `VOLUME_*`; a failure stays until a preparation succeeds.
   */
  prepare(request: VolumeRequest): Promise<VolumeStatus>;
  /**
   * Waits for a preparation that is under way, and probes the disk, also when it has stalled. Mounts memory if that is
   * the backing. Throws the error that made the volume unusable.
   */
  backing(): Promise<VolumeBacking>;
  /**
   * Reports that an operation on the store timed out. The state is `stalled` until `backing` or `prepare` gets an
   * answer.
   */
  reportStall(error: Error): void;
  /**
   * Ends recording. Failures that follow come from the shutdown, and the next run must find the last record before it.
   */
  close(): void;
  /** Never waits for a preparation; waits for the disk only a short time. */
  status(): Promise<VolumeStatus>;
  /** Returns the status without access to the disk. */
  summary(): VolumeSummary;
}

/** Volumes for files of containers, any number of them up to `maxMountedVolumes`. */
export interface ContainerVolumes {
  /**
   * Encrypts a disk and mounts it for containers. Idempotent, as `Volume.prepare`. Throws `VOLUME_*`; a failure stays
   * until a later call for the same mount point succeeds.
   */
  mount(request: VolumeRequest): Promise<VolumeStatus>;
  /** True if a path is the mount point of a volume, or lies in or above one. */
  owns(path: string): boolean;
  /**
   * Removes the volumes whose mounts are gone, so that their disks can be used again, and those that stalled before they
   * were mounted. Probes those that stalled later. Leaves a volume alone while a thread or a program works on it: a mount
   * that it makes would appear after the removal. Called about once a second.
   */
  sweep(): Promise<void>;
  /** Returns the status of each volume without access to the disks. */
  summaries(): readonly VolumeSummary[];
}

/** All volumes of the daemon. */
export interface Volumes {
  readonly imageStore: Volume;
  readonly containers: ContainerVolumes;
  /** Ends recording, as `Volume.close`. */
  close(): void;
}

export interface VolumesSettings {
  readonly imageStore: VolumeSettings;
  /** A directory in guest memory, with a state directory for each other volume. */
  readonly containersDir: string;
  readonly maxMountedVolumes: number;
}

export interface VolumePorts {
  readonly commands: CommandRunner;
  readonly runOperation: Run<VolumeOperations>;
  readonly clock: Clock;
  readonly checkpoint: Checkpoint;
  /**
   * Returns the mount point of another volume than `claimant` that uses the disk. Two preparations of one disk would
   * otherwise not see each other before cryptsetup has opened it.
   */
  readonly findDiskUser?: (disk: ExpectedDevice, claimant: object) => string | undefined;
}

/** What the volumes of containers need in addition, because each has a thread of its own. */
export interface ContainerVolumesPorts extends VolumePorts {
  /** True while a thread of this lane hangs in the kernel. */
  readonly isStuck: (lane: LaneName) => boolean;
}

/** Identifies the disk for an operation. If the number belongs to another disk by then, the operation is refused. */
export interface ExpectedDevice {
  readonly deviceId: string;
  readonly diskseq: string;
}

/** The live tables that are required, word for word where the kernel leaves no choice. */
export interface ExpectedMapping {
  readonly name: string;
  readonly device: ExpectedDevice;
  /** The size of the mapping in units of 512 bytes. */
  readonly sectors: number;
  readonly cipher: string;
  readonly keyBytes: number;
  readonly tagBytes: number;
  readonly journalSectors: number;
  readonly interleaveSectors: number;
}

/**
 * Operations on devices. They may block, so a worker performs them: synchronous, plain data in and out, throw
 * `SealiftError`.
 */
export interface VolumeOperations {
  /**
   * Finds the disk and asserts that it is unused. Returns undefined when no device has that name or number. Throws
   * `VOLUME_DEVICE_INVALID`, `VOLUME_DEVICE_BUSY`, `VOLUME_DEVICE_FAILED`.
   */
  claimDevice(request: { readonly source: VolumeSource }): DeviceFacts | undefined;
  /** Returns the numbers of the disk, in use or not; undefined when there is none. Throws `VOLUME_DEVICE_INVALID`. */
  identifyDevice(request: { readonly source: VolumeSource }): ExpectedDevice | undefined;
  /**
   * Throws `VOLUME_DEVICE_CHANGED` when another disk has the number, or none. Reads sysfs only, so it never blocks on a
   * disk.
   */
  checkDevice(request: { readonly device: ExpectedDevice }): void;
  /**
   * Throws `VOLUME_LOST` without a mapping, `VOLUME_TABLE_MISMATCH` for unexpected live tables, `VOLUME_DEVICE_CHANGED`
   * for another disk.
   */
  inspectMapping(request: { readonly expected: ExpectedMapping }): MappingFacts;
  /** Writes zeros with direct I/O. Throws `VOLUME_DEVICE_FAILED`. */
  clearBlocks(request: { readonly path: string; readonly blocks: readonly number[] }): void;
  /** Throws `VOLUME_MOUNT_FAILED`. */
  mountVolume(request: {
    readonly mapping: MappingFacts;
    readonly mountPoint: string;
    readonly purpose: VolumePurpose;
  }): void;
  /**
   * Returns false when the mapping is not mounted there. Reads a block with direct I/O. Throws `VOLUME_DEVICE_FAILED`.
   */
  isVolumeAlive(request: { readonly mapping: MappingFacts; readonly mountPoint: string }): boolean;
  /**
   * Removes our mounts and mappings, and the mappings that a killed cryptsetup left on that disk. Throws
   * `VOLUME_CLEANUP_FAILED` while they are in use.
   */
  removeVolume(request: { readonly mapperName: string; readonly device: ExpectedDevice | undefined }): void;
  /** Mounts a tmpfs unless it is mounted already. Throws `VOLUME_MOUNT_FAILED`. */
  mountMemory(request: { readonly mountPoint: string; readonly size: MemorySize }): void;
  measureSpace(request: { readonly directory: string }): VolumeSpace;
}
