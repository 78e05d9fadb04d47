import { rmSync, writeFileSync } from 'node:fs';
import type { ApiPorts, ApiServer } from '../api/index.ts';
import type { DaemonConfiguration } from '../config/index.ts';
import type { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { Clock } from '../platform/index.ts';
import type { VolumeSpace, VolumeSummary, Volumes } from '../volume/index.ts';
import type { DaemonService } from './create-daemon-service.ts';
import type { OnSignal } from './hold-signals.ts';
import { logFailure } from './log-failure.ts';
import type { PullCounts } from './pull-statistics.ts';
import type { ReloadableConfiguration } from './reloadable-configuration.ts';
import { createVolumeRequests } from './volume-requests.ts';

/** What only the start needed is freed soon after it, and not while the agent waits for the socket. */
const START_GARBAGE_MS = 500;
/** The time that calls at work get to end when the daemon is stopped. */
const STOP_GRACE_MS = 5_000;
const THREAD_GRACE_MS = 2_000;
const THREAD_POLL_MS = 10;

/** What is known about the daemon without reading from the disk. */
export interface DaemonFacts {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly pulls: PullCounts;
  readonly volume: VolumeSummary;
  /** The number of threads that hang in a system call. */
  readonly stuckThreads: number;
  /** Why pulls are refused now; undefined when they are served. */
  readonly obstacle: SealiftError | undefined;
}

/** Where the answers to a probe come from. */
interface HealthSources {
  readonly facts: () => DaemonFacts;
  /** Measures the store's file system in a worker; undefined when it does not answer or nothing is mounted. */
  readonly measureSpace: () => Promise<VolumeSpace | undefined>;
}

type HealthAddress = NonNullable<DaemonConfiguration['api']['health']['value']>;

export interface RunDaemonPorts {
  readonly version: string;
  readonly loaded: ReloadableConfiguration;
  /** Loads what pulls need. */
  readonly loadService: () => Promise<DaemonService>;
  readonly volumes: Volumes;
  readonly log: Logger;
  readonly onSignal: OnSignal;
  readonly openApi: (calls: Pick<ApiPorts, 'pullImage' | 'secureMount'>) => Promise<ApiServer>;
  /** Called when the configuration has an address for probes. */
  readonly openHealth: (address: HealthAddress, sources: HealthSources) => Promise<{ stop(): void }>;
  /** Notifies the supervisor, such as systemd, with `READY=1` or `STOPPING=1`. */
  readonly notify: (assignment: string) => void;
  readonly stuckThreads: () => number;
  /** Ends the worker threads. */
  readonly closeThreads: () => void;
  /** Called once the start is over, so that what only the start needed is freed. */
  readonly onStarted: () => void;
  readonly clock: Clock;
}

/** Serves until a signal stops the daemon; returns the exit code. Throws what keeps the sockets from being opened. */
export async function runDaemon(ports: RunDaemonPorts): Promise<number> {
  const daemon = new RunningDaemon(ports);
  await daemon.serve();
  return daemon.stopped;
}

class RunningDaemon {
  readonly #ports: RunDaemonPorts;
  readonly #log: Logger;
  readonly #stop = Promise.withResolvers<number>();
  #api: ApiServer | undefined;
  #service: DaemonService | undefined;
  #health: { stop(): void } | undefined;
  #isStopping = false;

  constructor(ports: RunDaemonPorts) {
    this.#ports = ports;
    this.#log = ports.log;
  }

  get stopped(): Promise<number> {
    return this.#stop.promise;
  }

  async serve(): Promise<void> {
    const { version, loaded, volumes, onSignal } = this.#ports;
    const { configuration } = loaded;
    // Before the sockets are served: a client may send a signal as soon as it sees one.
    onSignal('SIGTERM', () => void this.#end('SIGTERM'));
    onSignal('SIGINT', () => void this.#end('SIGINT'));
    onSignal('SIGHUP', () => this.#reload());
    const requests = createVolumeRequests({ loaded, volumes, log: this.#log });
    const loading = Promise.withResolvers<DaemonService>();
    const api = await this.#ports.openApi({
      pullImage: async (call) => (await loading.promise).pulls.pullImage(call),
      secureMount: (call) => requests.secureMount(call),
    });
    if (this.#isStopping) return await api.stop(STOP_GRACE_MS);
    this.#api = api;
    const sockets = configuration.api.sockets.value.map(({ path }) => path);
    this.#log.info({ version, sockets, uptimeMs: Math.round(process.uptime() * 1000) }, 'daemon ready');
    this.#notify('READY=1');
    const readyFile = configuration.api.readyFile.value;
    if (readyFile !== undefined) writeFileSync(readyFile, `${process.pid}\n`);
    // The agent sees the socket now and goes on with its own start.
    const service = await this.#ports.loadService();
    loading.resolve(service);
    if (this.#isStopping) return;
    this.#service = service;
    service.watch();
    setTimeout(this.#ports.onStarted, START_GARBAGE_MS).unref();
    requests.findDevice();
    await this.#openHealth(service);
  }

  /** Pulls are served all the same when the server for probes cannot be opened. */
  async #openHealth(service: DaemonService): Promise<void> {
    const { volumes, loaded } = this.#ports;
    const address = loaded.configuration.api.health.value;
    if (address === undefined) return;
    try {
      const health = await this.#ports.openHealth(address, {
        facts: () => this.#facts(service),
        measureSpace: async () => (await volumes.imageStore.status()).space,
      });
      this.#health = health;
      if (this.#isStopping) health.stop();
      else this.#log.info({ address }, 'health is served');
    } catch (error) {
      logFailure(this.#log, 'health cannot be served', error);
    }
  }

  #facts(service: DaemonService): DaemonFacts {
    const { version, volumes, stuckThreads } = this.#ports;
    return {
      version,
      uptimeSeconds: process.uptime(),
      pulls: service.counts,
      volume: volumes.imageStore.summary(),
      stuckThreads: stuckThreads(),
      obstacle: service.obstacle(),
    };
  }

  /** A supervisor that does not listen is no reason to refuse pulls. */
  #notify(assignment: string): void {
    try {
      this.#ports.notify(assignment);
    } catch (error) {
      logFailure(this.#log, 'supervisor could not be notified', error);
    }
  }

  /** Changes what later pulls use; sockets and the store stay as they are. A file with an error changes nothing. */
  #reload(): void {
    const failure = this.#ports.loaded.reload();
    if (failure === undefined) this.#log.info({}, 'configuration reloaded');
    else logFailure(this.#log, 'configuration refused, the previous one stays', failure);
  }

  async #end(signal: string): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { loaded, volumes, closeThreads } = this.#ports;
    this.#log.info({ signal }, 'daemon stopping');
    this.#notify('STOPPING=1');
    this.#health?.stop();
    await this.#api?.stop(STOP_GRACE_MS);
    const readyFile = loaded.configuration.api.readyFile.value;
    if (readyFile !== undefined) rmSync(readyFile, { force: true });
    volumes.close();
    this.#service?.stop();
    closeThreads();
    // A thread that hangs in the kernel would hold the process at its end, for as long as the disk does not answer.
    if (await this.#holdsThreads()) process.kill(process.pid, 'SIGKILL');
    this.#stop.resolve(0);
  }

  /** Threads that were told to end do so at once, unless they hang. */
  async #holdsThreads(): Promise<boolean> {
    const { clock, stuckThreads } = this.#ports;
    const deadline = clock.nowMs() + THREAD_GRACE_MS;
    while (stuckThreads() > 0 && clock.nowMs() < deadline) await clock.sleep(THREAD_POLL_MS);
    return stuckThreads() > 0;
  }
}
