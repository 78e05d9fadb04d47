import type { SettingValues } from '../config/index.ts';
import type { DoctorReport } from '../doctor/index.ts';
import type { InspectResult, ListedImage, ProgressEvent, PullResult, PullTarget, Removal } from '../pull/index.ts';
import type { VolumeStatus } from '../volume/index.ts';

/** For one registry, the one that the reference names. Never logged, never part of a message. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface CommonOptions {
  /** Flags as settings; they win over every other source. */
  readonly settings: SettingValues;
  /** Given with -c. */
  readonly configFile: string | undefined;
  /** Log lines on standard error are wanted. */
  readonly debug: boolean;
}

export interface PullOptions extends CommonOptions {
  readonly reference: string;
  readonly target: PullTarget;
  readonly credentials: Credentials | undefined;
  /** Certificates for the registry that the reference names. */
  readonly certDir?: string | undefined;
}

/** A pull that the daemon behind a socket is asked for, as the kata agent asks. */
export interface RequestPullOptions {
  readonly reference: string;
  /** Absolute. */
  readonly socketPath: string;
  /** Made when it is not there. */
  readonly bundle: string;
}

export interface RequestPullResult {
  readonly manifestDigest: string;
  readonly bundle: string;
}

export interface InspectOptions extends CommonOptions {
  readonly reference: string;
  readonly view: InspectResult['view'];
  readonly credentials: Credentials | undefined;
  readonly certDir?: string | undefined;
}

export interface UmountOptions extends CommonOptions {
  readonly directory: string;
}

export interface ImagesResult {
  /** The one that was pulled last comes first. */
  readonly images: readonly ListedImage[];
}

export interface StoreCommandOptions extends CommonOptions {
  /** The daemon's store and what it stands on; the configuration is the daemon's. */
  readonly ofDaemon: boolean;
}

export interface DoctorOptions extends StoreCommandOptions {
  /** Of registries, as the user wrote them; without any nobody is connected to. */
  readonly images: readonly string[];
  readonly certDir: string | undefined;
}

export interface RmOptions extends StoreCommandOptions {
  /** References and digests as the user wrote them. */
  readonly targets: readonly string[];
}

export interface PruneOptions extends StoreCommandOptions {
  readonly all: boolean;
}

export interface UmountResult {
  readonly directory: string;
  /** False when only the remains of a bundle were removed. */
  readonly wasMounted: boolean;
}

/** The daemon's image store: where it lies and why, and what is in it. */
export interface StoreStatusResult extends VolumeStatus {
  readonly images: number;
  readonly layers: number;
  /** Containers that run from it. */
  readonly mounts: number;
}

/** What a running command gets from the program. */
export interface CommandIo {
  /** Aborted with a `PULL_CANCELLED` error on SIGINT and SIGTERM; the command cleans up and throws. */
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
}

/** The commands as functions of data; they print nothing. */
export interface Commands {
  pull(options: PullOptions, io: CommandIo): Promise<PullResult>;
  requestPull(options: RequestPullOptions, io: CommandIo): Promise<RequestPullResult>;
  inspect(options: InspectOptions, io: CommandIo): Promise<InspectResult>;
  umount(options: UmountOptions, io: CommandIo): Promise<UmountResult>;
  images(options: StoreCommandOptions, io: CommandIo): Promise<ImagesResult>;
  rm(options: RmOptions, io: CommandIo): Promise<Removal>;
  prune(options: PruneOptions, io: CommandIo): Promise<Removal>;
  storeStatus(options: CommonOptions, io: CommandIo): Promise<StoreStatusResult>;
  doctor(options: DoctorOptions, io: CommandIo): Promise<DoctorReport>;
}

export interface OutputStream {
  write(chunk: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** The process around the program. */
export interface CliIo {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Relative paths in flags start here. */
  readonly cwd: string;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Asks the user for a line that is not shown; undefined when interrupted or aborted. Absent without a terminal. */
  readonly askPassword?: (prompt: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Calls `listener` for each SIGINT and SIGTERM until the returned function is called. */
  readonly onSignal: (listener: (signal: 'SIGINT' | 'SIGTERM') => void) => () => void;
}

export type CommandOutcome =
  | { readonly command: 'pull'; readonly result: PullResult }
  | { readonly command: 'pull --socket'; readonly result: RequestPullResult }
  | { readonly command: 'inspect'; readonly result: InspectResult }
  | { readonly command: 'umount'; readonly result: UmountResult }
  | { readonly command: 'images'; readonly result: ImagesResult }
  | { readonly command: 'rm' | 'prune'; readonly result: Removal }
  | { readonly command: 'store status'; readonly result: StoreStatusResult }
  | { readonly command: 'doctor'; readonly result: DoctorReport }
  | { readonly command: 'completion'; readonly result: { readonly script: string } }
  | { readonly command: 'version'; readonly result: { readonly version: string } }
  | { readonly command: 'help'; readonly result: { readonly help: string } };
