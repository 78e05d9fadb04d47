import { createPassThrough, extendRuntimeMeasurement, openApiServer, pulledImageEvent } from '../api/index.ts';
import { type DaemonConfiguration, type Environment, limitsOf, loadDaemonConfiguration } from '../config/index.ts';
import {
  createMeasurement,
  type HealthSources,
  IdleMemory,
  openDaemonLog,
  ReloadableConfiguration,
  runDaemon,
  volumesSettings,
} from '../daemon/index.ts';
import type { Logger } from '../log/index.ts';
import {
  type Checkpoint,
  createCommandRunner,
  notifySupervisor,
  readBootId,
  readKernelCommandLine,
  readResidentMemory,
  releaseCode,
  releaseMemory,
  releaseThreadMemory,
  SYSTEM_CLOCK,
} from '../platform/index.ts';
import { openVolumes } from '../volume/index.ts';
import { openParts } from './parts.ts';

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
  const loaded = new ReloadableConfiguration(() =>
    loadDaemonConfiguration({ file, environment, kernelCommandLine: readKernelCommandLine() }),
  );
  const { configuration } = loaded;
  const log = await openDaemonLog(loaded);
  const keyBroker = () => loaded.configuration.keyBroker.value;
  const parts = openParts(configuration, { version, checkpoint, keyBroker, onIdle: () => void idleMemory.noteIdle() });
  const { pool, limits } = parts;
  const idleMemory = new IdleMemory({
    workerIdleMs: limits.workerIdleMs,
    hasThreads: () => pool.hasThreads,
    releaseMemory,
    releaseThreadMemory,
    releaseCode,
    clock: SYSTEM_CLOCK,
    log,
  });
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
    // What pulls need is loaded once the socket is there, for which the agent waits.
    loadService: async () =>
      (await import('./daemon-service.ts')).composeDaemonService({ loaded, parts, volumes, measure, log }),
    volumes,
    log,
    onSignal,
    openApi: (calls) => openApiServer({ sockets: sockets.value, ports: { ...calls, passThrough }, limits, log }),
    openHealth: (sources) => openHealth(sources, loaded.configuration, log),
    notify: (assignment) => notifySupervisor(environment['NOTIFY_SOCKET'], assignment),
    stuckThreads: () => pool.stuckThreads,
    closeThreads: () => pool.close(),
    onStarted: () => void idleMemory.noteIdle(),
    clock: SYSTEM_CLOCK,
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
    ports: { ...sources, memory: readResidentMemory, nowMs: () => SYSTEM_CLOCK.nowMs() },
    onFault: ({ code, message }) => log.debug({ code, error: message }, 'health request refused'),
  });
}
