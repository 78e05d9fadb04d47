import { readFileSync } from 'node:fs';
import { createPassThrough, extendRuntimeMeasurement, openApiServer, pulledImageEvent } from '../api/index.ts';
import {
  assertQualified,
  type DaemonConfiguration,
  type Environment,
  limitsOf,
  loadDaemonConfiguration,
  loadDaemonRegistries,
} from '../config/index.ts';
import {
  createDaemonService,
  createMeasurement,
  type DaemonService,
  DaemonStores,
  daemonBacking,
  type HealthSources,
  type LoadedConfiguration,
  logProgress,
  memoryBacking,
  type PullServicePorts,
  ReloadableConfiguration,
  readTextIfAny,
  runDaemon,
  type StorePull,
  sweepBacking,
  volumesSettings,
} from '../daemon/index.ts';
import { daemonEndpoints } from '../endpoints/index.ts';
import { type Logger, openLogger } from '../log/index.ts';
import {
  type Checkpoint,
  createCommandRunner,
  notifySupervisor,
  readBootId,
  releaseMemory,
  SYSTEM_CLOCK,
} from '../platform/index.ts';
import type { ProgressEvent, PullPorts } from '../pull/index.ts';
import { openVolumes, type Volumes } from '../volume/index.ts';
import { loadOptions, openParts, type Parts, type PartsOptions } from './parts.ts';
import { loadPolicy, pullPorts } from './pull.ts';
import { storePorts } from './store.ts';

export interface DaemonSurroundings {
  /** Given with -c. */
  readonly configFile: string | undefined;
  readonly environment: Environment;
  readonly version: string;
  readonly onSignal: (name: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void) => void;
  readonly checkpoint: Checkpoint;
}

/** Serves until a signal stops the daemon; returns the exit code. */
export async function runSealiftd(surroundings: DaemonSurroundings): Promise<number> {
  const { configFile: file, environment, version, onSignal, checkpoint } = surroundings;
  const loaded = new ReloadableConfiguration(() => {
    const kernelCommandLine = readFileSync('/proc/cmdline').toString('utf8');
    return loadDaemonConfiguration({ file, environment, kernelCommandLine });
  });
  const { configuration } = loaded;
  const log = await openLogger({ level: configuration.log.level.value });
  const parts = openDaemonParts(configuration, { version, checkpoint });
  const { pool, limits } = parts;
  const volumes = openVolumes(volumesSettings(configuration, limits, readBootId()), {
    commands: createCommandRunner({ maxOutputBytes: limits.maxProgramOutputBytes }),
    runOperation: pool.runner('volume'),
    isStuck: (lane) => pool.isStuck(lane),
    clock: SYSTEM_CLOCK,
    checkpoint,
  });
  const measure = createMeasurement({
    socketPath: () => loaded.configuration.api.aaSocket.value,
    extend: ({ image, digest }, options) =>
      extendRuntimeMeasurement({ ...options, ...pulledImageEvent(image, digest) }),
    log,
  });
  const { passthroughSocket, sockets } = configuration.api;
  const passThrough =
    passthroughSocket.value === undefined ? undefined : createPassThrough(passthroughSocket.value, limits);
  return runDaemon({
    version,
    loaded,
    service: composeDaemonService({ loaded, parts, volumes, measure, log }),
    volumes,
    log,
    onSignal,
    openApi: (calls) => openApiServer({ sockets: sockets.value, ports: { ...calls, passThrough }, limits, log }),
    openHealth: (sources) => openHealth(sources, loaded.configuration, log),
    notify: (assignment) => notifySupervisor(environment['NOTIFY_SOCKET'], assignment),
    stuckThreads: () => pool.stuckThreads,
    closeThreads: () => pool.close(),
    releaseMemory,
    clock: SYSTEM_CLOCK,
  });
}

/** Opens the worker threads of the daemon, which the caller closes. */
export function openDaemonParts(
  configuration: DaemonConfiguration,
  options: Pick<PartsOptions, 'version' | 'checkpoint' | 'openPool'>,
): Parts {
  return openParts(configuration, { ...options, onIdle: releaseMemory });
}

export interface DaemonServiceParts {
  readonly loaded: LoadedConfiguration;
  readonly parts: Parts;
  readonly volumes: {
    readonly imageStore: Pick<Volumes['imageStore'], 'backing' | 'reportStall'>;
    readonly containers: Pick<Volumes['containers'], 'sweep'>;
  };
  readonly measure: PullServicePorts['measure'];
  readonly log: Logger;
}

/** The daemon without its sockets. */
export function composeDaemonService({ loaded, parts, volumes, measure, log }: DaemonServiceParts): DaemonService {
  const { configuration } = loaded;
  const stores = new DaemonStores({
    currentBacking: async () => {
      const backing = await volumes.imageStore.backing();
      return daemonBacking(loaded.configuration, backing);
    },
    memoryBacking: memoryBacking(configuration, 'used before'),
    accessStore: (backing) => {
      const ports = storePorts(parts, backing);
      const onProgress = (event: ProgressEvent): void => logProgress(event, log);
      return { ...ports, sweep: (options) => sweepBacking(ports, { ...options, onProgress }) };
    },
    stuckThreads: () => parts.pool.stuckStoreThreads,
  });
  return createDaemonService({
    loaded,
    stores,
    pullPorts: (pull) => daemonPullPorts(pull, parts),
    bundlePorts: (backing) => storePorts(parts, backing),
    sweepVolumes: () => volumes.containers.sweep(),
    reportStall: (error) => volumes.imageStore.reportStall(error),
    measure,
    readMountinfo: () => readFileSync('/proc/self/mountinfo', 'latin1'),
    readText: readTextIfAny,
    clock: SYSTEM_CLOCK,
    log,
    checkpoint: parts.checkpoint,
  });
}

async function daemonPullPorts(pull: StorePull, daemonParts: Parts): Promise<PullPorts> {
  const { configuration, reference, backing, onProgress, waitForName, deadlineMs, signal } = pull;
  const parts = { ...daemonParts, configuration };
  const registries = await loadDaemonRegistries(configuration, loadOptions(parts, signal));
  assertQualified(registries, reference);
  return pullPorts(parts, {
    backing,
    policy: await loadPolicy(parts, { inline: configuration.inlinePolicy.value, signal }),
    findEndpoints: daemonEndpoints({ ...parts, waitForName, deadlineMs }, registries),
    onProgress,
    // The watch over mounts sweeps within a second.
    sweepsStore: false,
  });
}

async function openHealth(sources: HealthSources, configuration: DaemonConfiguration, log: Logger) {
  const address = configuration.api.health.value;
  if (address === undefined) return undefined;
  // Loaded only when it is configured: the HTTP server takes memory.
  const { openHealthServer } = await import('../health/index.ts');
  return openHealthServer({
    address,
    limits: limitsOf(configuration),
    ports: { ...sources, rssBytes: () => process.memoryUsage.rss(), nowMs: () => SYSTEM_CLOCK.nowMs() },
    onFault: ({ code, message }) => log.debug({ code, error: message }, 'health request refused'),
  });
}
