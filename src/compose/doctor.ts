import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { identifyServer } from '../api/index.ts';
import {
  assertQualified,
  type DaemonConfiguration,
  loadDaemonRegistries,
  locateAgentFile,
  obstacleError,
  overridesFor,
  resolveAgentTimeouts,
} from '../config/index.ts';
import {
  type DoctorOperations,
  type DoctorPorts,
  type NetworkSources,
  viewHelpers,
  viewNetwork,
} from '../doctor/index.ts';
import { daemonEndpoints, endpointUrl, findHelpers, locateCredentials } from '../endpoints/index.ts';
import { SealiftError } from '../errors/index.ts';
import { canUseSyncHandle } from '../layer/index.ts';
import type { Run } from '../operations/index.ts';
import { chooseLayerFormat } from '../snapshot/index.ts';
import type { VolumeStatus } from '../volume/index.ts';
import { daemonBacking, isRoot, type Parts, runInStore } from './parts.ts';

/** A daemon that answers at all does so at once. */
const IDENTIFY_TIMEOUT_MS = 2_000;

/** The part of the sources that follows from the configuration of either program. */
export type ConfiguredSources = Omit<
  NetworkSources,
  'proxy' | 'locateCredentials' | 'findHelpers' | 'urlOf' | 'openHttp' | 'maxAnswerBytes'
>;

function networkSources({ configuration, pool, limits, resources }: Parts, sources: ConfiguredSources): NetworkSources {
  const { authfiles, signal } = sources;
  const load = { resources, maxBytes: limits.maxConfigurationBytes, signal };
  return {
    ...sources,
    proxy: configuration.pull.proxy,
    locateCredentials: (reference) => locateCredentials(reference, authfiles, load),
    findHelpers: () => findHelpers(authfiles, load),
    urlOf: endpointUrl,
    openHttp: (transport) => pool.httpClient(transport),
    maxAnswerBytes: limits.maxTokenBytes,
  };
}

/** What the doctor looks at for the command line: its own store, and the network between here and the registries. */
export async function doctorPorts(parts: Parts, configured: ConfiguredSources): Promise<DoctorPorts> {
  const sources = networkSources(parts, configured);
  const { data, state, minFreeBytes, layerFormat } = parts.configuration.store;
  return {
    kernelRelease: release(),
    isRoot: isRoot(),
    dataDir: data.value,
    stateDir: state.value,
    minFreeBytes: minFreeBytes.value,
    runOperation: runInStore(parts, 'doctor'),
    probeLayerFormats: (directory) => runInStore(parts, 'snapshot')('probeLayerFormats', { directory }),
    chooseLayerFormat: (probe) => chooseLayerFormat(probe, layerFormat.value),
    canInflateSynchronously: canUseSyncHandle,
    wallNowMs: () => Date.now(),
    network: await viewNetwork(sources),
    credentialHelpers: await viewHelpers(sources),
  };
}

export interface DoctoredDaemon {
  readonly parts: Parts;
  readonly configuration: DaemonConfiguration;
  readonly status: VolumeStatus;
}

interface DaemonQuestion {
  /** As they were written. */
  readonly images: readonly string[];
  readonly signal: AbortSignal;
}

/** The doctor's look at what sealiftd stands on. Throws `PRIVILEGE_REQUIRED`. */
export async function daemonDoctorPorts(daemon: DoctoredDaemon, question: DaemonQuestion): Promise<DoctorPorts> {
  const { parts, configuration, status } = daemon;
  if (!isRoot()) {
    const hint = 'run it as root, as sealiftd runs';
    throw new SealiftError('PRIVILEGE_REQUIRED', 'doctor --daemon: expected root, got an ordinary user', { hint });
  }
  const { volume, api, warnings } = configuration;
  // Of a disk that failed or hangs nothing more is asked.
  const fallback = { kind: 'memory', directory: volume.memoryMountPoint.value, reason: 'none is usable' } as const;
  const { dataDir, layerFormat, trees, allowDirectories } = daemonBacking(configuration, status.backing ?? fallback);
  const wantedFormat = trees === 'required' && !allowDirectories ? 'erofs' : layerFormat;
  const view = {
    obstacle: obstacleError(configuration),
    warnings,
    integrity: volume.integrity.value,
    socketPaths: api.sockets.value.map(({ path }) => path),
    store: status,
    timeouts: await readTimeouts(runInStore(parts, 'doctor')),
  };
  return {
    ...(await doctorPorts(parts, daemonSources(daemon, question))),
    dataDir,
    chooseLayerFormat: (probe) => chooseLayerFormat(probe, wantedFormat),
    daemon: { view, identifyServer: (path) => identifyServer(path, IDENTIFY_TIMEOUT_MS) },
  };
}

function daemonSources({ parts, configuration }: DoctoredDaemon, question: DaemonQuestion): ConfiguredSources {
  const { authfile } = configuration.pull;
  const { resources, limits } = parts;
  const load = { resources, maxBytes: limits.maxConfigurationBytes, signal: question.signal };
  return {
    ...question,
    loadRegistries: () => loadDaemonRegistries(configuration, load),
    namesOf: (image, registries) => {
      assertQualified(registries, image);
      return [image];
    },
    findEndpoints: (registries) => daemonEndpoints({ ...parts, configuration }, registries),
    authfiles: authfile.value === undefined ? [] : [authfile.value],
    helperPath: undefined,
    secretsFrom: (host) => overridesFor(configuration, host)?.origin ?? 'the configuration',
    mirrorHosts: [...configuration.registryOverrides.values()].flatMap(({ mirror }) => (mirror ? [mirror.host] : [])),
  };
}

async function readTimeouts(runOperation: Run<DoctorOperations>) {
  const kernelCommandLine = readFileSync('/proc/cmdline').toString('utf8');
  const path = locateAgentFile(kernelCommandLine);
  const agentFile = path === undefined ? undefined : { path, text: await runOperation('readAgentFile', { path }) };
  return resolveAgentTimeouts({ kernelCommandLine, agentFile });
}
