import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryFolder } from '../machine/memory-folder.ts';
import { unmountBelow } from '../machine/mounts.ts';
import { ReapedFolder, spawnSupervised } from '../podvm/supervised-process.ts';

const MIB = 1 << 20;

/** The daemon that `make build` wrote. */
export const SEALIFTD = fileURLToPath(new URL('../../../dist/sealiftd', import.meta.url));

/** Memory of a daemon, in bytes. */
export interface DaemonMemory {
  readonly rssBytes: number;
  readonly anonymousBytes: number;
  /** Pages of the binary and of libraries. */
  readonly fileBytes: number;
  readonly peakBytes: number;
}

/**
 * A program as the kata agent starts it, with a folder in memory for all its files. Both are gone after this process, also
 * when it is killed.
 */
export class DaemonProcess implements AsyncDisposable {
  readonly #folder = new ReapedFolder('daemon', memoryFolder());
  readonly #program: string;
  #child: ChildProcess | undefined;
  #log = '';

  constructor(program = SEALIFTD) {
    this.#program = program;
    mkdirSync(this.path('bundles'));
  }

  get folder(): string {
    return this.#folder.path;
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  get socket(): string {
    return this.path('cdh.sock');
  }

  get config(): string {
    return this.path('cdh.toml');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get log(): string {
    return this.#log;
  }

  /** A configuration without a device, with everything below the folder, for a registry that speaks http. */
  writeConfig({ api = '', more = '', memoryBytes = 256 * MIB } = {}): void {
    writeFileSync(
      this.config,
      `[api]
sockets = [{ path = "${this.socket}" }]
bundle_roots = ["${this.path('bundles')}"]
aa_socket = "${this.path('aa.sock')}"
${api}
[store]
state = "${this.path('state')}"
[volume]
devices = []
mount_point = "${this.path('image')}"
memory_mount_point = "${this.path('image-memory')}"
memory_size = ${memoryBytes}
[pull]
tls_verify = false
${more}`,
    );
  }

  /** Milliseconds from the call to the socket. */
  async start(): Promise<number> {
    // Like the agent, removes the socket of an earlier daemon.
    rmSync(this.socket, { force: true });
    const appeared = this.#awaitSocket();
    const startedMs = performance.now();
    const child = spawnSupervised(this.#program, ['-c', this.config], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    this.#log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${this.#program} ended with ${code}: ${this.#log}`);
    });
    ended.catch(() => undefined);
    await Promise.race([appeared, ended]);
    return performance.now() - startedMs;
  }

  /** Waits for the kernel's notice of the name. Polling would take processor time from the program. */
  async #awaitSocket(): Promise<void> {
    const watcher = watch(this.folder);
    try {
      while (!existsSync(this.socket)) await once(watcher, 'change');
    } finally {
      watcher.close();
    }
  }

  /** Returns the resident bytes now, the parts of them, and the maximum so far. */
  memory(): DaemonMemory {
    const status = readFileSync(`/proc/${this.pid}/status`, 'latin1');
    const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
    return {
      rssBytes: bytes('VmRSS'),
      anonymousBytes: bytes('RssAnon'),
      fileBytes: bytes('RssFile'),
      peakBytes: bytes('VmHWM'),
    };
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = await ended;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    await unmountBelow(this.folder);
    await this.#folder[Symbol.asyncDispose]();
  }
}
