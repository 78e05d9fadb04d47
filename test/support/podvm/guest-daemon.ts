import { createInterface } from 'node:readline';
import type { StoreStatusResult } from '../../../src/cli/index.ts';
import { AgentClient } from './agent-calls.ts';
import { type GuestVolumes, readGuestVolumes } from './guest-volumes.ts';
import type { GuestProcess, PodVm } from './types.ts';

const DAEMON = '/usr/lib/sealift/sealiftd';
const CONFIG = '/run/sealiftd.toml';
const SOCKET = '/run/confidential-containers/cdh.sock';

/** Starting a thread takes an emulated machine two seconds, so the threads of one test serve the next. */
const KEPT_THREADS = 'worker_idle_ms = 600000';

/**
 * Limits of a daemon whose tests wait for nothing to time out: an emulated machine on a busy one is slow. Its threads
 * end when they are idle, as those of any daemon.
 */
export const SLOW_DISK = `
[pull.limits]
store_timeout_ms = 600000
volume_timeout_ms = 600000
`;

/** The same with threads that stay. */
export const PATIENCE = `${SLOW_DISK}${KEPT_THREADS}\n`;

/** The paths of a daemon with default settings. */
export const GUEST = {
  store: '/run/kata-containers/image',
  memory: '/run/kata-containers/image-memory',
  state: '/run/sealift',
  mapping: 'sealift-image-store',
} as const;

export interface PullOutcome {
  /** 0 if the image was pulled. */
  readonly status: number;
  /** The message of a refusal, with the code in brackets. */
  readonly message: string;
  readonly digest: string | undefined;
  readonly bundle: string;
  readonly ms: number;
}

/** sealiftd in a pod VM and the agent that asks it; the daemon may be ended and started again. */
export class GuestDaemon implements AsyncDisposable {
  readonly agent: AgentClient;
  /** The log lines of all runs of the daemon. */
  readonly log: string[] = [];
  readonly #vm: PodVm;
  #settings: string;
  #process: GuestProcess;
  #bundles = 0;

  private constructor(vm: PodVm, settings: string, parts: Pick<GuestDaemon, 'process' | 'agent'>) {
    const { process, agent } = parts;
    this.#vm = vm;
    this.#settings = settings;
    this.#process = process;
    this.agent = agent;
    this.#follow(process);
  }

  /** `settings` is its TOML; the agent's socket lies in `folder`. */
  static async start(vm: PodVm, settings: string, folder: string): Promise<GuestDaemon> {
    const process = await spawnDaemon(vm, settings);
    const agent = await AgentClient.open(vm, SOCKET, folder);
    return new GuestDaemon(vm, settings, { process, agent });
  }

  /** The current run, or the last one. */
  get process(): GuestProcess {
    return this.#process;
  }

  /** Starts the daemon again after its end. */
  async startAgain(settings = this.#settings): Promise<void> {
    this.#settings = settings;
    this.#process = await spawnDaemon(this.#vm, settings);
    this.#follow(this.#process);
    await this.agent.reconnect();
  }

  /** Makes a bundle, as the agent does, and asks for the image. */
  async pull(reference: string, options: { readonly timeoutMs?: number } = {}): Promise<PullOutcome> {
    this.#bundles += 1;
    const bundle = `/run/kata-containers/bundle-${this.#bundles}`;
    await this.#vm.mustRun(['mkdir', '-p', bundle]);
    const startedMs = performance.now();
    const { status, message, digest } = await this.agent.tryPull(reference, bundle, options);
    return { status, message, digest, bundle, ms: performance.now() - startedMs };
  }

  async mustPull(reference: string): Promise<PullOutcome> {
    const outcome = await this.pull(reference);
    if (outcome.status === 0) return outcome;
    throw new Error(`pull ${reference}: ${outcome.message}\n${this.log.slice(-20).join('\n')}`);
  }

  /** Returns what the daemon has recorded of its volumes. */
  records(): Promise<GuestVolumes> {
    return readGuestVolumes(this.#vm, this.#settings);
  }

  /** Returns what `sealift store status --json` reports, whatever its exit code is. */
  async status(): Promise<StoreStatusResult> {
    const argv = ['sealift', 'store', 'status', '-c', CONFIG, '--json'];
    const { stdout, stderr } = await this.#vm.run(argv);
    const { result } = JSON.parse(stdout.toString());
    if (result === undefined) throw new Error(`store status: ${stdout}${stderr}`);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.close();
    await this.#process[Symbol.asyncDispose]();
  }

  #follow({ stdout, stderr }: GuestProcess): void {
    stdout.resume();
    createInterface({ input: stderr }).on('line', (line) => this.log.push(line));
  }
}

/** Starts the daemon as the agent does: removes an old socket and waits for the new one. */
async function spawnDaemon(vm: PodVm, settings: string): Promise<GuestProcess> {
  await vm.writeFile(CONFIG, withPatience(settings));
  await vm.mustRun(['rm', '-f', SOCKET]);
  const spawned = await vm.spawn([DAEMON, '-c', CONFIG]);
  await vm.mustRun(['sh', '-c', `until test -S ${SOCKET}; do usleep 20000; done`]);
  return spawned;
}

function withPatience(settings: string): string {
  const heading = '[pull.limits]\n';
  return settings.includes(heading)
    ? settings.replace(heading, `${heading}${KEPT_THREADS}\n`)
    : `${settings}${PATIENCE}`;
}
