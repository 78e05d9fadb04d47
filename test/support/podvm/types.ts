import type { Duplex, Readable, Writable } from 'node:stream';
import type { DiskImage } from './disk-image.ts';

export type SectorSize = 512 | 4096;

export type FailingRequest = 'read' | 'write' | 'flush';

/** A virtio-blk disk whose host side the test controls. */
export interface DiskOptions {
  /** The name by which test and guest know it: `/sys/block/vdX/serial`; at most 20 characters. */
  readonly serial: string;
  readonly size: number;
  /** An existing file to serve; otherwise a new sparse one that goes with the VM. */
  readonly path?: string;
  readonly readOnly?: boolean;
  /** Logical and physical sector size; 512 when absent. */
  readonly sectorSize?: SectorSize;
  /** Served by a `qemu-nbd` of its own, which can be stopped, continued and killed. */
  readonly nbd?: boolean;
  /** These requests fail with EIO. */
  readonly failing?: readonly FailingRequest[];
}

export interface PodVmOptions {
  /** Names the file that keeps the serial output. */
  readonly name: string;
  readonly disks?: readonly DiskOptions[];
  /** Memory in MiB; 3072 when absent. */
  readonly memoryMb?: number;
  /** Number of processors; 1 when absent, since an emulated second one costs more than it brings. */
  readonly cpus?: number;
  /** TCP ports of the guest that get a port on the host's loopback. */
  readonly forwardPorts?: readonly number[];
  /** Added to the kernel's command line. */
  readonly kernelParameters?: string;
  /** Restores a booted machine instead of booting one, where the options above are the defaults. */
  readonly fromState?: boolean;
  /** How long the agent in the guest may take to answer; 120 s. */
  readonly bootTimeoutMs?: number;
}

export interface GuestCommandOptions {
  readonly stdin?: Uint8Array | string;
  /** Added to the guest's PATH, HOME and nothing else. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface GuestRunOptions extends GuestCommandOptions {
  /** After this time the process group is killed and `run` fails; 120 s when absent. */
  readonly timeoutMs?: number;
}

export interface GuestResult {
  /** The exit code as in a shell: 127 for a missing program, 128 + N for signal N. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface GuestProcess extends AsyncDisposable {
  /** The process id in the guest; also its process group. */
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Ends when the process has ended and its output is read; fails when the VM goes first. */
  readonly exited: Promise<number>;
  /** SIGKILL unless told otherwise, to the process or its whole group. */
  kill(signal?: NodeJS.Signals, target?: 'process' | 'group'): Promise<void>;
}

export interface GuestDisk {
  readonly serial: string;
  /** The host's side. The guest reads bytes that are changed here once its caches are dropped. */
  readonly image: DiskImage;
  /** `/dev/vda` */
  readonly devicePath: string;
  /** `254:0`, as in `SecureMount`'s `deviceId`. */
  readonly deviceId: string;
  /** Only for a disk with `nbd`: it stops answering, answers again, or is gone for good (I/O errors). */
  stall(): Promise<void>;
  unstall(): Promise<void>;
  kill(): Promise<void>;
}

export interface PodVm extends AsyncDisposable {
  /** What the guest calls the host's loopback: `10.0.2.2`. */
  readonly registryHost: string;
  /** From the start of QEMU to the agent's first word. */
  readonly bootSeconds: number;
  /** Where the serial output is kept, now and after the VM. */
  readonly serialPath: string;
  run(argv: readonly string[], options?: GuestRunOptions): Promise<GuestResult>;
  /** Like `run`, but fails with the whole output for an exit code other than 0; returns standard output. */
  mustRun(argv: readonly string[], options?: GuestRunOptions): Promise<string>;
  spawn(argv: readonly string[], options?: GuestCommandOptions): Promise<GuestProcess>;
  readFile(path: string): Promise<Buffer>;
  /** Makes the folder, too. Mode 0644, or 0755 when `executable`. */
  writeFile(path: string, content: Uint8Array | string, options?: { readonly executable?: boolean }): Promise<void>;
  /** A stream to a unix socket in the guest, as `net.connect` gives one here. Fails with the guest's error code. */
  connect(socketPath: string): Promise<Duplex>;
  disk(serial: string): Promise<GuestDisk>;
  /** Plugs a disk in while the VM runs; returns when the guest sees it. */
  plugDisk(options: DiskOptions): Promise<GuestDisk>;
  /** Unplugs the disk; returns when the guest has released it. */
  unplugDisk(serial: string): Promise<void>;
  /** The port on the host's loopback for one of `forwardPorts`. */
  forwardedPort(guestPort: number): number;
  /** Writes back what is dirty and forgets clean pages, so that the next read comes from the disks. */
  dropCaches(): Promise<void>;
  serial(): string;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** QMP: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html */
  monitor(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Ends QEMU at once and removes disks and sockets; the serial output stays. Idempotent. */
  stop(): Promise<void>;
}
