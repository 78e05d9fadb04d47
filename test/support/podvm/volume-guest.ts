import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { fromPlainError } from '../../../src/errors/index.ts';
import type { VolumeBacking, VolumeStatus } from '../../../src/volume/index.ts';
import type { VolumeRequest, VolumeSettings } from '../../../src/volume/types.ts';
import { bundleSources } from '../programs/bundle-sources.ts';
import type { GuestProcess, PodVm } from './types.ts';
import type { GuestMessage, GuestOptions, VolumeCall } from './volume-guest-protocol.ts';

const NODE = '/usr/lib/sealift/lib/node';
const FOLDER = '/tmp/volume-guest';

/** Puts the guest program and its worker into the VM, from the sources as they are. */
export async function installVolumeGuest(vm: PodVm): Promise<void> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const entries = { entry: path('../entries/volume-guest-entry.ts'), worker: path('../../../src/compose/worker.ts') };
  for (const file of await bundleSources(entries, FOLDER)) await vm.writeFile(file.path, file.contents);
}

/** Settings of a volume of its own: state, mount points and mapping are named after it. */
export function guestSettings(name: string, changes: Partial<VolumeSettings> = {}): VolumeSettings {
  return {
    purpose: 'imageStore',
    integrity: 'hmac-sha256',
    required: true,
    waitMs: 0,
    stateDir: `/run/state-${name}`,
    mapperName: `store-${name}`,
    memory: { mountPoint: `/run/memory-${name}`, size: { kind: 'percent', percent: 50 } },
    bootId: 'boot',
    timeoutMs: 600_000,
    ...changes,
  };
}

export function mountPointOf(settings: VolumeSettings): string {
  return `/run/mnt-${settings.mapperName}`;
}

/** A process in the VM that holds a volume. */
export class VolumeGuest implements AsyncDisposable {
  readonly #process: GuestProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #pauses: string[] = [];
  #pauseWaiter: PromiseWithResolvers<void> | undefined;
  readonly #words: Promise<string>;
  #nextId = 1;

  private constructor(process: GuestProcess) {
    this.#process = process;
    this.#words = text(process.stderr);
    createInterface({ input: process.stdout }).on('line', (line) => this.#hear(JSON.parse(line) as GuestMessage));
    void process.exited.then(
      async (code) => this.#end(new Error(`the guest program ended with ${code}: ${await this.#words}`)),
      (error: Error) => this.#end(error),
    );
  }

  static async start(vm: PodVm, options: GuestOptions): Promise<VolumeGuest> {
    const argv = [NODE, '--disable-warning=ExperimentalWarning', `${FOLDER}/entry.mjs`, JSON.stringify(options)];
    return new VolumeGuest(await vm.spawn(argv));
  }

  prepare(request: VolumeRequest): Promise<VolumeStatus> {
    return this.call({ kind: 'prepare', request }) as Promise<VolumeStatus>;
  }

  status(): Promise<VolumeStatus> {
    return this.call({ kind: 'status' }) as Promise<VolumeStatus>;
  }

  backing(): Promise<VolumeBacking> {
    return this.call({ kind: 'backing' }) as Promise<VolumeBacking>;
  }

  async passed(): Promise<{ readonly checkpoints: readonly string[]; readonly stuckThreads: number }> {
    return (await this.call({ kind: 'passed' })) as { checkpoints: string[]; stuckThreads: number };
  }

  call(call: VolumeCall): Promise<unknown> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#process.stdin.write(`${JSON.stringify({ id, call })}\n`);
    return answer.promise;
  }

  /** Waits for the next stop at `pauseAt`. */
  async paused(): Promise<void> {
    if (this.#pauses.shift() !== undefined) return;
    this.#pauseWaiter = Promise.withResolvers();
    await this.#pauseWaiter.promise;
    this.#pauses.shift();
  }

  get exited(): Promise<number> {
    return this.#process.exited;
  }

  async kill(): Promise<void> {
    await this.#process.kill('SIGKILL', 'process');
    await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #hear(message: GuestMessage): void {
    if ('paused' in message) {
      this.#pauses.push(message.paused);
      this.#pauseWaiter?.resolve();
    }
    if (!('id' in message)) return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ('error' in message) waiting?.reject(fromPlainError(message.error));
    else waiting?.resolve(message.value);
  }

  #end(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#pauseWaiter?.reject(error);
  }
}
