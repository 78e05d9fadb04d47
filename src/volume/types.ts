import type { PlainError } from '../errors/index.ts';
import type { Run } from '../operations/index.ts';
import type { CommandRunner } from '../platform/index.ts';

/** How blocks are encrypted and how a change of them is noticed. */
export type VolumeIntegrity = 'hmac-sha256' | 'aegis128';

/** Which block device is meant. */
export type VolumeSource =
  /** By its numbers, as the kata agent sends them. */
  | { readonly kind: 'deviceId'; readonly major: number; readonly minor: number }
  /** By one name below /dev. */
  | { readonly kind: 'devicePath'; readonly path: string }
  /** By the first of these names that exists. */
  | { readonly kind: 'nodes'; readonly paths: readonly string[] };

/** What is asked for: this device, mounted there. */
export interface VolumeRequest {
  readonly source: VolumeSource;
  /** Absolute, without `.`, `..` and a slash at the end. */
  readonly mountPoint: string;
}

/** `api.SecureMountRequest`, as it came over a socket. */
export interface SecureMountRequest {
  readonly volumeType: string;
  readonly options: ReadonlyMap<string, string>;
  readonly flags: readonly string[];
  readonly mountPoint: string;
}

export type MemorySize =
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'bytes'; readonly bytes: number };

export interface VolumeSettings {
  readonly integrity: VolumeIntegrity;
  /** False: memory is used while the device is not usable, and every answer says so. */
  readonly required: boolean;
  /** How long to wait for a device that is not there yet; 0 is not at all. */
  readonly waitMs: number;
  /** In guest memory, never below a mount point of a volume. Made with mode 0700 when absent. */
  readonly stateDir: string;
  /** Of the mappings; what bears it is ours. */
  readonly mapperName: string;
  readonly memory: { readonly mountPoint: string; readonly size: MemorySize };
  /** What is left over from another boot counts as absent. */
  readonly bootId: string;
  /** From a request to its answer; see `volumeTimeoutMs` of the limits. */
  readonly timeoutMs: number;
}

/** A whole disk, as the kernel described it when it was claimed. */
export interface DeviceFacts {
  /** `254:0` */
  readonly deviceId: string;
  /** The node that leads to it, such as /dev/vda. */
  readonly path: string;
  readonly bytes: number;
  readonly sectorBytes: number;
  /** The kernel gives each disk that appears a number of its own: another disk in its place has another one. */
  readonly diskseq: string;
}

/** The encrypted device on top of the disk. */
export interface MappingFacts {
  readonly name: string;
  /** `253:1` */
  readonly deviceId: string;
  readonly path: string;
  readonly bytes: number;
  /** Of dm-crypt and of dm-integrity below it. */
  readonly uuids: readonly [crypt: string, integrity: string];
}

/** `stalled`: something did not answer in time, and may still be at it. */
export type VolumeState = 'absent' | 'preparing' | 'ready' | 'failed' | 'stalled';

/** What is remembered of the volume in the state directory, so that a restart finds it again. */
export interface VolumeRecord {
  readonly format: 1;
  readonly bootId: string;
  /** Absence is remembered by no record. */
  readonly state: Exclude<VolumeState, 'absent'>;
  readonly request: VolumeRequest;
  /** The disk, once it is claimed. */
  readonly device?: DeviceFacts;
  /** `ready` and what was ready before it stalled or was lost: what the tables have to be, and what bears them. */
  readonly expected?: ExpectedMapping;
  readonly mapping?: MappingFacts;
  /** Of `failed` and `stalled`. */
  readonly error?: PlainError;
}

/** A record without what is the same in all of them. */
export type KnownVolume = Omit<VolumeRecord, 'format' | 'bootId'>;

interface Backing {
  /** A directory of mode 0700 that nothing else lies in but what the store puts there. */
  readonly directory: string;
  /** Why this one; for logs and answers. */
  readonly reason: string;
}

/** Where images go now. */
export type VolumeBacking =
  /** `mappingUuid`, of dm-crypt's mapping, tells a disk that was prepared anew from the one before. */
  (Backing & { readonly kind: 'device'; readonly mappingUuid: string }) | (Backing & { readonly kind: 'memory' });

export interface VolumeSpace {
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** For memory not more than the machine can give. */
  readonly availableBytes: number;
}

/** All there is to tell of a volume, as plain data. */
export interface VolumeStatus {
  readonly state: VolumeState;
  /** Undefined: pulls are refused with `error`. */
  readonly backing: VolumeBacking | undefined;
  readonly device: DeviceFacts | undefined;
  readonly mountPoint: string | undefined;
  readonly mapping: MappingFacts | undefined;
  /** As dm-crypt names it. */
  readonly cipher: string | undefined;
  readonly integrity: VolumeIntegrity | undefined;
  /** Undefined: nothing is mounted, or it did not answer. */
  readonly space: VolumeSpace | undefined;
  /** Why the last preparation failed or the volume was lost. */
  readonly error: PlainError | undefined;
  /** Programs that were given up and that the kernel does not let go of. */
  readonly stuckPrograms: number;
}

/** What is known without asking the disk. */
export type VolumeSummary = Omit<VolumeStatus, 'space'>;

/** The place of the image store: a disk of the host's under dm-crypt, or memory of the guest. */
export interface Volume {
  /**
   * Makes the disk the image store. Idempotent: whoever asks for the same while it is being prepared waits for the one
   * preparation, and afterwards it is there. Throws `VOLUME_*`; a failure stays until one succeeds.
   */
  prepare(request: VolumeRequest): Promise<VolumeStatus>;
  /**
   * Waits for a preparation under way, and looks whether the disk answers, also one that has stalled; mounts memory when
   * that is what is used. Throws what made it unusable.
   */
  backing(): Promise<VolumeBacking>;
  /** Somebody waited for the store in vain: it is `stalled` until `place` or `prepare` finds that it answers. */
  reportStall(error: Error): void;
  /** From here on nothing is recorded: what fails now fails because we end, and the next run is to find what was. */
  close(): void;
  /** Never waits for a preparation, and for the disk only a short time. */
  status(): Promise<VolumeStatus>;
  /** The same without a look at the disk. */
  summary(): VolumeSummary;
}

export interface Clock {
  /** Milliseconds that never go back. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

export interface VolumePorts {
  readonly commands: CommandRunner;
  readonly runOperation: Run<VolumeOperations>;
  readonly clock: Clock;
  /** Called at named moments, so that crash and tamper tests hit them exactly. */
  readonly checkpoint: (name: string) => void;
}

/** Device and bytes of the disk that something has to be done on; another disk in its place is refused. */
export interface ExpectedDevice {
  readonly deviceId: string;
  readonly diskseq: string;
}

/** What the live tables have to be, word for word where the kernel leaves no choice. */
export interface ExpectedMapping {
  readonly name: string;
  readonly device: ExpectedDevice;
  /** Of the mapping, in units of 512 bytes. */
  readonly sectors: number;
  readonly cipher: string;
  readonly keyBytes: number;
  readonly tagBytes: number;
  readonly journalSectors: number;
  readonly interleaveSectors: number;
}

/** Work on devices, which may stall: plain data in and out, synchronous, done in a worker, throws `SealiftError`. */
export interface VolumeOperations {
  /**
   * Finds the disk and makes sure that nobody uses it. Undefined when there is none of that name or number. Throws
   * `VOLUME_DEVICE_INVALID`, `VOLUME_DEVICE_BUSY`, `VOLUME_DEVICE_FAILED`.
   */
  claimDevice(request: { readonly source: VolumeSource }): DeviceFacts | undefined;
  /** The disk's numbers, whoever uses it; undefined when there is none. Throws `VOLUME_DEVICE_INVALID`. */
  identifyDevice(request: { readonly source: VolumeSource }): ExpectedDevice | undefined;
  /** Throws `VOLUME_DEVICE_CHANGED` when another disk has the number, or none. Asks sysfs: no disk is waited for. */
  checkDevice(request: { readonly device: ExpectedDevice }): void;
  /** Throws `VOLUME_TABLE_MISMATCH` for live tables that are not as expected, `VOLUME_DEVICE_CHANGED` for another disk. */
  inspectMapping(request: { readonly expected: ExpectedMapping }): MappingFacts;
  /** Writes zeros past the page cache. Throws `VOLUME_DEVICE_FAILED`. */
  clearBlocks(request: { readonly path: string; readonly blocks: readonly number[] }): void;
  /** Throws `VOLUME_MOUNT_FAILED`. */
  mountVolume(request: { readonly mapping: MappingFacts; readonly mountPoint: string }): void;
  /** False when it is not mounted there. Reads a block past the page cache. Throws `VOLUME_DEVICE_FAILED`. */
  isVolumeAlive(request: { readonly mapping: MappingFacts; readonly mountPoint: string }): boolean;
  /**
   * Takes mounts and mappings of ours away, and what a killed cryptsetup has left on that disk. Throws
   * `VOLUME_CLEANUP_FAILED` while somebody uses them.
   */
  removeVolume(request: { readonly mapperName: string; readonly device: ExpectedDevice | undefined }): void;
  /** Mounts memory, or finds it mounted. Throws `VOLUME_MOUNT_FAILED`. */
  mountMemory(request: { readonly mountPoint: string; readonly size: MemorySize }): void;
  measureSpace(request: { readonly directory: string; readonly kind: VolumeBacking['kind'] }): VolumeSpace;
}
