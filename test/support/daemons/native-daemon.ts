import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { requestPull } from '../../../src/api/index.ts';
import { umount } from '../../../src/platform/index.ts';
import { loopsBelow } from '../machine/loops.ts';
import { memoryFolder } from '../machine/memory-folder.ts';
import { mountsBelow, unmountBelow } from '../machine/mounts.ts';
import { CHECKPOINT_VARIABLE, DIE_AT, LIVE_BYTES, PASSED } from '../programs/checkpoint-folder.ts';
import type { LayerForm } from '../programs/pull-steps.ts';
import type { StoreHalves } from '../stores/store-contents.ts';
import { bundleSteppingDaemon, LAUNCH_ENVIRONMENT, NODE_OPTIONS, STEPPING_DAEMON } from './bundle-stepping-daemon.ts';

/** What the daemon keeps and has mounted. Names that only crash tests look at are lists. */
export interface DaemonRemains {
  /** Names of the bundles whose rootfs is mounted; one that is mounted twice is listed twice. */
  readonly containers: readonly string[];
  readonly uppers: number;
  readonly mountRecords: number;
  /**
   * Numbers of mounted layers, of their mounts and of loop devices: there should be one mount and one device for each
   * layer.
   */
  readonly layers: number;
  readonly layerMounts: number;
  readonly loops: number;
  readonly staging: readonly string[];
  readonly trash: readonly string[];
  readonly halfWritten: readonly string[];
  readonly locks: readonly string[];
}

/** What should exist while these containers run with so many layers; directories are not mounted by themselves. */
export function remainsOf(containers: readonly string[], layerCount: number, form: LayerForm = 'erofs'): DaemonRemains {
  const { length } = containers;
  const layers = form === 'erofs' ? layerCount : 0;
  return {
    ...{ containers: [...containers].sort(), uppers: length, mountRecords: length },
    ...{ layers, layerMounts: layers, loops: layers },
    ...{ staging: [], trash: [], halfWritten: [], locks: ['store'] },
  };
}

/** sealiftd on this machine, from the sources, with a tmpfs for a store and checkpoints that can be watched. */
export class NativeDaemon implements AsyncDisposable {
  readonly folder: string;
  /** What the daemon has logged since it was started. */
  readonly lines: string[] = [];
  #child: ChildProcess | undefined;
  #exited: Promise<string | number | null> = Promise.resolve(null);

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(form: LayerForm = 'erofs'): Promise<NativeDaemon> {
    // The state has to lie in memory.
    const daemon = new NativeDaemon(mkdtempSync(join(memoryFolder(), 'sealiftd-')));
    const path = (name: string) => daemon.path(name);
    try {
      for (const name of ['program', 'bundles', 'checkpoints']) mkdirSync(path(name));
      for (const built of await bundleSteppingDaemon(path('program'))) writeFileSync(built.path, built.contents);
      writeFileSync(daemon.configFile, configure(path, form));
      daemon.dieAt(undefined);
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  get socketPath(): string {
    return this.path('cdh.sock');
  }

  get configFile(): string {
    return this.path('cdh.toml');
  }

  /** The directories of its store. */
  get halves(): StoreHalves {
    return { state: this.path('state', 'memory'), data: this.path('image-memory', 'store') };
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The exit code, or the signal that ended it. */
  get exited(): Promise<string | number | null> {
    return this.#exited;
  }

  /** Starts the daemon; resolves when it accepts calls. */
  async start(): Promise<void> {
    // Removes the old socket, as the agent does, which then waits for the new one.
    rmSync(this.socketPath, { force: true });
    const child = spawn(process.execPath, [...NODE_OPTIONS, this.path('program', STEPPING_DAEMON), this.configFile], {
      env: { PATH: process.env['PATH'], ...LAUNCH_ENVIRONMENT, [CHECKPOINT_VARIABLE]: this.path('checkpoints') },
      stdio: ['ignore', 'ignore', 'pipe'],
      // A process group of its own, so that it can be killed with all that it has started.
      detached: true,
    });
    this.#child = child;
    const killOnExit = () => void child.kill('SIGKILL');
    process.once('exit', killOnExit);
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        process.off('exit', killOnExit);
        resolve(signal ?? code);
      });
    });
    this.lines.length = 0;
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.lines.push(line);
        if (line.includes('"msg":"daemon ready"')) resolve();
      });
      child.once('exit', () => reject(new Error(`sealiftd ended before it served:\n${this.lines.join('\n')}`)));
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.isRunning) process.kill(-this.#pid, signal);
    await this.#exited;
  }

  /** Makes the bundle directory, as the agent does before it calls; returns its path. */
  makeBundle(container: string): string {
    const path = this.path('bundles', container);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Makes the bundle, unless it exists, and returns the digest of the manifest. */
  async pull(
    imageUrl: string,
    container: string,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    const bundlePath = this.makeBundle(container);
    const { manifestDigest } = await requestPull({ socketPath: this.socketPath, imageUrl, bundlePath, ...options });
    return manifestDigest;
  }

  /** Reads a file of a container's rootfs. */
  read(container: string, name: string): Buffer {
    return readFileSync(this.path('bundles', container, 'rootfs', name));
  }

  /** Removes a container that has ended, as the agent does. */
  remove(container: string): void {
    umount(this.path('bundles', container, 'rootfs'));
    rmSync(this.path('bundles', container), { recursive: true });
  }

  /** The next process that passes this checkpoint kills itself there. */
  dieAt(checkpoint: string | undefined): void {
    writeFileSync(this.path('checkpoints', DIE_AT), checkpoint ?? '');
  }

  forgetPassed(): void {
    writeFileSync(this.path('checkpoints', PASSED), '');
  }

  /** Checkpoints that were passed since then, in order. */
  passed(): readonly string[] {
    return readFileSync(this.path('checkpoints', PASSED), 'utf8').split('\n').filter(Boolean);
  }

  remains(): DaemonRemains {
    const { data: store, state } = this.halves;
    const layerMounts = mountsBelow(join(state, 'layer-mounts'));
    const bundles = this.path('bundles');
    const isHalfWritten = (name: string) => /^\.(?:beside|config\.json)[.-]/.test(basename(name));
    const files = [state, ...listIfAny(bundles).map((name) => join(bundles, name))].flatMap(listWithinState);
    return {
      containers: mountsBelow(bundles)
        .map((path) => path.slice(bundles.length + 1).replace(/\/rootfs$/, ''))
        .sort(),
      uppers: listIfAny(join(store, 'uppers')).length,
      mountRecords: listIfAny(join(state, 'mounts')).length,
      layers: new Set(layerMounts).size,
      layerMounts: layerMounts.length,
      loops: loopsBelow(this.folder).size,
      staging: listIfAny(join(store, 'staging')),
      trash: listIfAny(join(store, 'trash')),
      halfWritten: files.filter(isHalfWritten),
      locks: listIfAny(join(state, 'lock')),
    };
  }

  /** Returns the bytes of live objects in the heap of the main thread. */
  async liveBytes(): Promise<number> {
    const path = this.path('checkpoints', LIVE_BYTES);
    rmSync(path, { force: true });
    process.kill(this.#pid, 'SIGUSR2');
    while (!existsSync(path)) await delay(20);
    return Number(readFileSync(path, 'utf8'));
  }

  residentBytes(): number {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) * 1024;
  }

  threadCount(): number {
    return readdirSync(`/proc/${this.#pid}/task`).length;
  }

  /** Returns what its descriptors refer to, without numbers, sorted. */
  descriptors(): readonly string[] {
    const folder = `/proc/${this.#pid}/fd`;
    const targets = readdirSync(folder).map((fd) => {
      try {
        return readlinkSync(join(folder, fd)).replaceAll(/\d+/g, 'N');
      } catch {
        // The descriptor was closed in the meantime.
        return undefined;
      }
    });
    return targets.filter((target) => target !== undefined).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await unmountBelow(this.folder);
    rmSync(this.folder, { recursive: true });
  }

  get #pid(): number {
    if (this.#child?.pid === undefined || !this.isRunning) throw new Error('sealiftd does not run');
    return this.#child.pid;
  }
}

function configure(path: (name: string) => string, form: LayerForm): string {
  return `[api]
sockets = [{ path = "${path('cdh.sock')}", services = ["api.ImagePullService"] }]
bundle_roots = ["${path('bundles')}"]
aa_socket = "${path('aa.sock')}"
[store]
state = "${path('state')}"
layer_format = "${form}"
[volume]
devices = []
mount_point = "${path('image')}"
memory_mount_point = "${path('image-memory')}"
memory_size = 268435456
[pull]
tls_verify = false
`;
}

function listIfAny(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Lists a directory without what is mounted in it. */
function listWithinState(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    const isLeft = entry.isDirectory() && entry.name !== 'rootfs' && entry.name !== 'layer-mounts';
    return isLeft ? listWithinState(path) : [path];
  });
}
