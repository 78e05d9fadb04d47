import { release } from 'node:os';
import { identifyServer } from '../api/index.ts';
import {
  assertQualified,
  loadDaemonRegistries,
  locateAgentFile,
  obstacleError,
  overridesFor,
  resolveAgentTimeouts,
} from '../config/index.ts';
import { daemonBacking, memoryBacking } from '../daemon/index.ts';
import {
  type DoctorOperations,
  type DoctorPorts,
  type NetworkSources,
  viewHelpers,
  viewNetwork,
} from '../doctor/index.ts';
import { daemonEndpoints, endpointUrl, findHelpers, locateCredentials } from '../endpoints/index.ts';
import { SealiftError } from '../errors/index.ts';
import { canUseSyncHandle, chooseInflate } from '../layer/index.ts';
import type { Run } from '../operations/index.ts';
import { isRoot, readKernelCommandLine } from '../platform/index.ts';
import { wantedLayerFormat } from '../pull/index.ts';
import { loadOptions } from '../resources/index.ts';
import { chooseLayerFormat } from '../snapshot/index.ts';
import type { DaemonView } from './daemon-view.ts';
import type { Parts } from './parts.ts';
import { runInStore } from './store.ts';

/** A daemon that runs answers at once. */
const IDENTIFY_TIMEOUT_MS = 2_000;

/** The part of the sources that follows from the configuration of either program. */
export type ConfiguredSources = Omit<
  NetworkSources,
  'proxy' | 'locateCredentials' | 'findHelpers' | 'urlOf' | 'openHttp' | 'maxAnswerBytes'
>;

function networkSources(parts: Parts, sources: ConfiguredSources): NetworkSources {
  const { configuration, pool, limits } = parts;
  const { authfiles, signal } = sources;
  const load = loadOptions(parts, signal);
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
    chooseInflate: () => chooseInflate(parts.configuration.pull.inflate.value),
    wallNowMs: () => Date.now(),
    network: await viewNetwork(sources),
    credentialHelpers: await viewHelpers(sources),
  };
}

interface DaemonQuestion {
  /** As the user wrote them. */
  readonly images: readonly string[];
  readonly signal: AbortSignal;
}

/** What the doctor looks at for the daemon: its store, its network, its sockets and time-outs. Throws `PRIVILEGE_REQUIRED`. */
export async function daemonDoctorPorts(daemon: DaemonView, question: DaemonQuestion): Promise<DoctorPorts> {
  const { parts, configuration, failure, status } = daemon;
  if (!isRoot()) {
    const hint = 'run it as root, as sealiftd runs';
    throw new SealiftError('PRIVILEGE_REQUIRED', 'doctor --daemon: expected root, got an ordinary user', { hint });
  }
  const { volume, api, warnings } = configuration;
  // A disk that failed or hangs is not looked at.
  const backing =
    status.backing === undefined
      ? memoryBacking(configuration, 'none is usable')
      : daemonBacking(configuration, status.backing);
  const view = {
    obstacle: failure ?? obstacleError(configuration),
    usesDefaults: failure !== undefined,
    warnings,
    integrity: volume.integrity.value,
    socketPaths: api.sockets.value.map(({ path }) => path),
    store: status,
    timeouts: await readTimeouts(runInStore(parts, 'doctor')),
  };
  return {
    ...(await doctorPorts(parts, daemonSources(daemon, question))),
    dataDir: backing.dataDir,
    chooseLayerFormat: (probe) => chooseLayerFormat(probe, wantedLayerFormat(backing)),
    daemon: { view, identifyServer: (path) => identifyServer(path, IDENTIFY_TIMEOUT_MS) },
  };
}

function daemonSources({ parts, configuration }: DaemonView, question: DaemonQuestion): ConfiguredSources {
  const { authfile } = configuration.pull;
  return {
    ...question,
    loadRegistries: () => loadDaemonRegistries(configuration, loadOptions(parts, question.signal)),
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
  const kernelCommandLine = readKernelCommandLine();
  const path = locateAgentFile(kernelCommandLine);
  const agentFile = path === undefined ? undefined : { path, text: await runOperation('readAgentFile', { path }) };
  return resolveAgentTimeouts({ kernelCommandLine, agentFile });
}
