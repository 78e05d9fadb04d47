import { createPassThrough, extendRuntimeMeasurement, openApiServer, pulledImageEvent } from '../api/index.ts';
import { loadDaemonConfiguration } from '../config/index.ts';
import {
  createMeasurement,
  type DaemonSurroundings,
  IdleMemory,
  openDaemonLog,
  ReloadableConfiguration,
  runDaemon,
  type StartedDaemon,
  volumesSettings,
} from '../daemon/index.ts';
import {
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

/** Serves until a signal stops the daemon; returns the exit code. */
export async function runSealiftd(surroundings: DaemonSurroundings & StartedDaemon): Promise<number> {
  const { configFile, environment, version, onSignal, listeners, checkpoint } = surroundings;
  const loaded = new ReloadableConfiguration((isFirst) => {
    const file = isFirst ? surroundings.file : configFile;
    return loadDaemonConfiguration({ file, environment, kernelCommandLine: readKernelCommandLine() });
  });
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
    openApi: (calls) =>
      openApiServer({ sockets: sockets.value, listeners, ports: { ...calls, passThrough }, limits, log }),
    // Loaded only when it is configured: the HTTP server takes memory.
    openHealth: async (address, sources) =>
      (await import('../health/index.ts')).openHealthServer({
        address,
        limits,
        ports: { ...sources, memory: readResidentMemory, nowMs: () => SYSTEM_CLOCK.nowMs() },
        onFault: ({ code, message }) => log.debug({ code, error: message }, 'health request refused'),
      }),
    notify: (assignment) => notifySupervisor(environment['NOTIFY_SOCKET'], assignment),
    stuckThreads: () => pool.stuckThreads,
    closeThreads: () => pool.close(),
    onStarted: () => void idleMemory.noteIdle(),
    clock: SYSTEM_CLOCK,
  });
}
