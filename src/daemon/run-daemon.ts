import { lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  type ApiPorts,
  type ApiServer,
  createPassThrough,
  extendRuntimeMeasurement,
  openApiServer,
  pulledImageEvent,
} from '../api/index.ts';
import { CLOCK, runVolumeIn, volumeSettings } from '../compose/parts.ts';
import {
  type DaemonConfiguration,
  type Environment,
  limitsOf,
  loadDaemonConfiguration,
  resolveDaemonConfiguration,
} from '../config/index.ts';
import { asSealiftError, type SealiftError } from '../errors/index.ts';
import type { HealthFacts, HealthServer } from '../health/index.ts';
import { type Logger, openLogger } from '../log/index.ts';
import { createCommandRunner, notifySupervisor, releaseMemory } from '../platform/index.ts';
import { openVolume, parseSecureMount, type Volume, type VolumeStatus } from '../volume/index.ts';
import { composeDaemon, type DaemonServices } from './daemon-stores.ts';

export interface DaemonSurroundings {
  /** Given with -c. */
  readonly configFile: string | undefined;
  readonly environment: Environment;
  readonly version: string;
  readonly onSignal: (name: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void) => void;
  /** Called at named moments, so that crash tests hit them exactly. */
  readonly checkpoint: (name: string) => void;
}

/** What only the start needed is given back soon after it, and not while the agent waits for the socket. */
const START_GARBAGE_MS = 500;
/** How long calls that are at work may take to end once the daemon is told to. */
const STOP_GRACE_MS = 5_000;
const THREAD_GRACE_MS = 2_000;
const THREAD_POLL_MS = 10;

/** Serves until it is told to stop; answers the exit code. */
export async function runDaemon(surroundings: DaemonSurroundings): Promise<number> {
  const daemon = await RunningDaemon.start(surroundings);
  return daemon.stopped;
}

/** A configuration, or why there is none: then every pull is answered with that, which says more than a dead socket. */
interface Loaded {
  readonly configuration: DaemonConfiguration;
  readonly failure: SealiftError | undefined;
}

function load({ configFile, environment }: DaemonSurroundings): Loaded {
  try {
    const kernelCommandLine = readFileSync('/proc/cmdline').toString('utf8');
    const configuration = loadDaemonConfiguration({ file: configFile, environment, kernelCommandLine });
    return { configuration, failure: undefined };
  } catch (error) {
    const texts = { file: undefined, environment: {}, kernelCommandLine: '', imagepuller: undefined };
    return { configuration: resolveDaemonConfiguration(texts), failure: asSealiftError(error) };
  }
}

class RunningDaemon {
  readonly #surroundings: DaemonSurroundings;
  readonly #log: Logger;
  readonly #services: DaemonServices;
  readonly #volume: Volume;
  readonly #stop = Promise.withResolvers<number>();
  #loaded: Loaded;
  #api: ApiServer | undefined;
  #health: HealthServer | undefined;
  #isStopping = false;

  private constructor(surroundings: DaemonSurroundings, loaded: Loaded, log: Logger) {
    this.#surroundings = surroundings;
    this.#loaded = loaded;
    this.#log = log;
    this.#services = composeDaemon({
      version: surroundings.version,
      log,
      checkpoint: surroundings.checkpoint,
      configuration: () => this.#loaded.configuration,
      failure: () => this.#loaded.failure,
      currentBacking: () => this.#volume.backing(),
      reportStall: (error) => this.#volume.reportStall(error),
      measure: (image, signal) => this.#measure(image, signal),
    });
    this.#volume = this.#openVolume();
  }

  get stopped(): Promise<number> {
    return this.#stop.promise;
  }

  static async start(surroundings: DaemonSurroundings): Promise<RunningDaemon> {
    const loaded = load(surroundings);
    const log = await openLogger({ level: loaded.configuration.log.level.value });
    const daemon = new RunningDaemon(surroundings, loaded, log);
    await daemon.#serve();
    return daemon;
  }

  async #serve(): Promise<void> {
    const { configuration, failure } = this.#loaded;
    const { version, onSignal } = this.#surroundings;
    if (failure !== undefined) this.#log.error({ code: failure.code, error: failure.message }, 'configuration refused');
    for (const warning of configuration.warnings) this.#log.warn({ warning }, 'configuration');
    // Before the sockets are there: who sees one may send a signal, and not heard it ends the process.
    onSignal('SIGTERM', () => void this.#end('SIGTERM'));
    onSignal('SIGINT', () => void this.#end('SIGINT'));
    onSignal('SIGHUP', () => this.#reload());
    const api = await openApiServer({
      sockets: configuration.api.sockets.value,
      ports: this.#apiPorts(),
      limits: limitsOf(configuration),
      log: this.#log,
    });
    if (this.#isStopping) return await api.stop(STOP_GRACE_MS);
    this.#api = api;
    const paths = configuration.api.sockets.value.map(({ path }) => path);
    this.#log.info({ version, sockets: paths, uptimeMs: Math.round(performance.now()) }, 'daemon ready');
    this.#notify('READY=1');
    const readyFile = configuration.api.readyFile.value;
    if (readyFile !== undefined) writeFileSync(readyFile, `${process.pid}\n`);
    this.#services.watch();
    setTimeout(releaseMemory, START_GARBAGE_MS).unref();
    this.#findDevice();
    await this.#openHealth();
  }

  /** Who wants to know is told; pulls are served all the same when that fails. */
  async #openHealth(): Promise<void> {
    const { configuration } = this.#loaded;
    const address = configuration.api.health.value;
    if (address === undefined) return;
    try {
      // Not before it is wanted: the HTTP server takes memory.
      const { openHealthServer } = await import('../health/index.ts');
      this.#health = await openHealthServer({
        address,
        limits: limitsOf(configuration),
        ports: {
          facts: () => this.#facts(),
          measureSpace: async () => (await this.#volume.status()).space,
          rssBytes: () => process.memoryUsage.rss(),
          nowMs: () => CLOCK.nowMs(),
        },
        onFault: ({ code, message }) => this.#log.debug({ code, error: message }, 'health request refused'),
      });
      if (this.#isStopping) this.#health.stop();
      else this.#log.info({ address }, 'health can be asked for');
    } catch (error) {
      this.#logFailure(error, 'health cannot be asked for');
    }
  }

  #facts(): HealthFacts {
    const { counts, parts } = this.#services;
    return {
      version: this.#surroundings.version,
      uptimeSeconds: performance.now() / 1000,
      pulls: counts,
      volume: this.#volume.summary(),
      stuckThreads: parts.pool.stuckThreads,
      obstacle: this.#services.obstacle(),
    };
  }

  /** A supervisor that does not listen is no reason to serve nobody. */
  #notify(assignment: string): void {
    try {
      notifySupervisor(this.#surroundings.environment['NOTIFY_SOCKET'], assignment);
    } catch (error) {
      this.#logFailure(error, 'supervisor not told');
    }
  }

  /** A device that is there under one of its names is made the store without being asked. */
  #findDevice(): void {
    const { devices, mountPoint, waitMs } = this.#loaded.configuration.volume;
    // Without one there is nothing to prepare, and a thread to find that out would cost 20 MB.
    const isThere = devices.value.some((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
    if (!isThere && waitMs.value === 0) {
      this.#log.info({ devices: devices.value }, 'no device for the image store');
      return;
    }
    const source = { kind: 'nodes', paths: devices.value } as const;
    this.#volume.prepare({ source, mountPoint: mountPoint.value }).then(
      (status) => this.#logVolume(status),
      (error: unknown) => this.#logFailure(error, 'image store not usable'),
    );
  }

  #apiPorts(): ApiPorts {
    const passthroughSocket = this.#loaded.configuration.api.passthroughSocket.value;
    return {
      pullImage: (call) => this.#services.pulls.pullImage(call),
      secureMount: async (call) => {
        const { volume } = this.#loaded.configuration;
        const request = parseSecureMount(call, [volume.mountPoint.value]);
        this.#log.info({ requestId: call.requestId, request }, 'secure mount requested');
        try {
          this.#logVolume(await this.#volume.prepare(request));
        } catch (error) {
          this.#logFailure(error, 'secure mount failed');
          return { mountPath: this.#memoryInPlace(error) };
        }
        return { mountPath: request.mountPoint };
      },
      passThrough:
        passthroughSocket === undefined ? undefined : createPassThrough(passthroughSocket, this.#services.parts.limits),
    };
  }

  /** Where configuration allows for it, a device that fails must not fail the container that brings it. */
  #memoryInPlace(failure: unknown): string {
    const { backing } = this.#volume.summary();
    if (backing?.kind !== 'memory') throw failure;
    this.#log.warn({ directory: backing.directory, reason: backing.reason }, 'memory in place of the image store');
    return backing.directory;
  }

  /** Without an attestation agent nobody wants to be told. */
  async #measure({ image, digest }: { readonly image: string; readonly digest: string }, signal: AbortSignal) {
    const socketPath = this.#loaded.configuration.api.aaSocket.value;
    const outcome = await extendRuntimeMeasurement({ socketPath, ...pulledImageEvent(image, digest), signal });
    if (outcome !== 'extended') this.#log.warn({ image, outcome }, 'image not measured');
  }

  #openVolume(): Volume {
    const { pool, limits } = this.#services.parts;
    return openVolume(volumeSettings(this.#loaded.configuration, limits), {
      commands: createCommandRunner({ maxOutputBytes: limits.maxProgramOutputBytes }),
      runOperation: runVolumeIn(pool),
      clock: CLOCK,
      checkpoint: this.#surroundings.checkpoint,
    });
  }

  /** What pulls use from now on; sockets and the store stay as they are. A file that is wrong changes nothing. */
  #reload(): void {
    const loaded = load(this.#surroundings);
    if (loaded.failure === undefined) this.#loaded = loaded;
    if (loaded.failure === undefined) this.#log.info({}, 'configuration loaded again');
    else this.#logFailure(loaded.failure, 'configuration refused, the one before stays');
  }

  async #end(signal: string): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#log.info({ signal }, 'daemon stopping');
    this.#notify('STOPPING=1');
    this.#health?.stop();
    await this.#api?.stop(STOP_GRACE_MS);
    const readyFile = this.#loaded.configuration.api.readyFile.value;
    if (readyFile !== undefined) rmSync(readyFile, { force: true });
    this.#volume.close();
    this.#services.stop();
    // A thread that hangs in the kernel would hold the process at its end, for as long as the disk does not answer.
    if (await this.#holdsThreads()) process.kill(process.pid, 'SIGKILL');
    this.#stop.resolve(0);
  }

  /** Threads that were told to end do so in a moment, or hang. */
  async #holdsThreads(): Promise<boolean> {
    const { pool } = this.#services.parts;
    const deadline = CLOCK.nowMs() + THREAD_GRACE_MS;
    while (pool.stuckThreads > 0 && CLOCK.nowMs() < deadline) await CLOCK.sleep(THREAD_POLL_MS);
    return pool.stuckThreads > 0;
  }

  #logVolume({ state, backing, device, cipher, integrity }: VolumeStatus): void {
    const fields = {
      state,
      place: backing?.kind,
      reason: backing?.reason,
      deviceId: device?.deviceId,
      cipher,
      integrity,
    };
    this.#log.info(fields, 'image store');
  }

  #logFailure(error: unknown, message: string): void {
    const { code, kind, message: text, hint } = asSealiftError(error);
    this.#log.error({ code, kind, error: text, hint }, message);
  }
}
