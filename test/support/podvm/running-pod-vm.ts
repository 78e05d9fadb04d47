import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { AgentClient } from './agent-client.ts';
import type { QemuProcess } from './qemu-process.ts';
import type { ReapedFolder } from './supervised-process.ts';
import type {
  DiskOptions,
  GuestCommandOptions,
  GuestDisk,
  GuestProcess,
  GuestResult,
  GuestRunOptions,
  PodVm,
} from './types.ts';
import { VmDisk } from './vm-disk.ts';

export interface PodVmParts {
  readonly agent: AgentClient;
  readonly qemu: QemuProcess;
  readonly disks: Map<string, VmDisk>;
  readonly folder: ReapedFolder;
  readonly ports: ReadonlyMap<number, number>;
  readonly serialPath: string;
  readonly bootSeconds: number;
  /** Ends all of the above. */
  readonly resources: AsyncDisposableStack;
}

/** Prints name and number of the disk with the serial, once it is there; plugging is over in well under a second. */
const FIND_DISK = `
for attempt in $(seq 200); do
  for file in /sys/block/*/serial; do
    [ "$(cat "$file" 2>/dev/null)" = "$1" ] || continue
    folder=$(dirname "$file")
    node=/dev/$(basename "$folder")
    [ -b "$node" ] && echo "$node" "$(cat "$folder/dev")" && exit 0
  done
  usleep 50000
done
echo "no disk has the serial $1" >&2
exit 1`;

export class RunningPodVm implements PodVm {
  readonly registryHost = '10.0.2.2';
  readonly bootSeconds: number;
  readonly serialPath: string;
  readonly #parts: PodVmParts;

  constructor(parts: PodVmParts) {
    this.#parts = parts;
    this.bootSeconds = parts.bootSeconds;
    this.serialPath = parts.serialPath;
  }

  run(argv: readonly string[], options?: GuestRunOptions): Promise<GuestResult> {
    return this.#parts.agent.run(argv, options);
  }

  async mustRun(argv: readonly string[], options?: GuestRunOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, options);
    if (code === 0) return stdout.toString();
    throw new Error(`${argv.join(' ')}: exit code ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
  }

  spawn(argv: readonly string[], options?: GuestCommandOptions): Promise<GuestProcess> {
    return this.#parts.agent.spawn(argv, options);
  }

  async readFile(path: string): Promise<Buffer> {
    const { code, stdout, stderr } = await this.run(['cat', path]);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  async writeFile(path: string, content: Uint8Array | string, options: { executable?: boolean } = {}): Promise<void> {
    const script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"';
    const mode = options.executable === true ? '755' : '644';
    await this.mustRun(['sh', '-c', script, 'sh', path, mode], { stdin: content });
  }

  connect(socketPath: string): Promise<Duplex> {
    return this.#parts.agent.connect(socketPath);
  }

  async disk(serial: string): Promise<GuestDisk> {
    const disk = this.#find(serial);
    const found = await this.mustRun(['sh', '-c', FIND_DISK, 'sh', serial]);
    const [devicePath = '', deviceId = ''] = found.trim().split(' ');
    const server = () => {
      if (disk.nbd === undefined) throw new TypeError(`disk ${serial} is not served by qemu-nbd`);
      return disk.nbd;
    };
    return {
      serial,
      image: disk.image,
      devicePath,
      deviceId,
      stall: async () => server().stall(),
      unstall: async () => server().unstall(),
      kill: async () => server().kill(),
    };
  }

  async plugDisk(options: DiskOptions): Promise<GuestDisk> {
    const { disks, folder } = this.#parts;
    if (disks.has(options.serial)) throw new TypeError(`there is a disk ${options.serial} already`);
    const disk = await VmDisk.open(options, folder.path);
    disks.set(options.serial, disk);
    await this.monitor('blockdev-add', disk.blockdev);
    await this.monitor('device_add', disk.device);
    return this.disk(options.serial);
  }

  async unplugDisk(serial: string): Promise<void> {
    const disk = this.#find(serial);
    const id = String(disk.device['id']);
    const gone = this.#parts.qemu.qmp.waitFor(
      ({ event, data }) => event === 'DEVICE_DELETED' && data?.['device'] === id,
    );
    await this.monitor('device_del', { id });
    await gone;
    await this.monitor('blockdev-del', { 'node-name': serial });
    await disk.close();
    this.#parts.disks.delete(serial);
  }

  forwardedPort(guestPort: number): number {
    const port = this.#parts.ports.get(guestPort);
    if (port === undefined) throw new TypeError(`port ${guestPort} is not among forwardPorts`);
    return port;
  }

  async dropCaches(): Promise<void> {
    await this.mustRun(['sh', '-c', 'sync; echo 3 > /proc/sys/vm/drop_caches']);
  }

  serial(): string {
    return readFileSync(this.serialPath, 'utf8');
  }

  async pause(): Promise<void> {
    await this.monitor('stop');
  }

  async resume(): Promise<void> {
    await this.monitor('cont');
  }

  monitor(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#parts.qemu.qmp.execute(command, parameters);
  }

  async stop(): Promise<void> {
    await this.#parts.resources.disposeAsync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #find(serial: string): VmDisk {
    const disk = this.#parts.disks.get(serial);
    if (disk === undefined) throw new TypeError(`there is no disk ${serial}`);
    return disk;
  }
}
