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
import type { DoctorPorts, RunDoctorOperation } from '../doctor/index.ts';
import { credentialHelpers, type DoctoredNetwork, doctorNetwork } from '../doctor/view-network.ts';
import { daemonEndpoints } from '../endpoints/index.ts';
import { SealiftError } from '../errors/index.ts';
import { canUseSyncHandle } from '../layer/index.ts';
import { chooseLayerFormat } from '../snapshot/index.ts';
import type { VolumeStatus } from '../volume/index.ts';
import { callIn, daemonBacking, isRoot, type Parts, runSnapshotIn } from './parts.ts';

/** A daemon that answers at all does so at once. */
const IDENTIFY_TIMEOUT_MS = 2_000;

/** The doctor's look at the command line's own store, and at the way to the registries. */
export async function doctorPorts(network: DoctoredNetwork): Promise<DoctorPorts> {
  const { parts } = network;
  const { data, state, minFreeBytes, layerFormat } = parts.configuration.store;
  return {
    kernelRelease: release(),
    isRoot: isRoot(),
    dataDir: data.value,
    stateDir: state.value,
    minFreeBytes: minFreeBytes.value,
    runOperation: runDoctorIn(parts),
    probeLayerFormats: (directory) => runSnapshotIn(parts)('probeLayerFormats', { directory }),
    chooseLayerFormat: (probe) => chooseLayerFormat(probe, layerFormat.value),
    canInflateSynchronously: canUseSyncHandle,
    wallNowMs: () => Date.now(),
    network: await doctorNetwork(network),
    credentialHelpers: await credentialHelpers(network),
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
    timeouts: await readTimeouts(runDoctorIn(parts)),
  };
  return {
    ...(await doctorPorts(daemonNetwork(daemon, question))),
    dataDir,
    chooseLayerFormat: (probe) => chooseLayerFormat(probe, wantedFormat),
    daemon: { view, identifyServer: (path) => identifyServer(path, IDENTIFY_TIMEOUT_MS) },
  };
}

function daemonNetwork({ parts, configuration }: DoctoredDaemon, question: DaemonQuestion): DoctoredNetwork {
  const { authfile } = configuration.pull;
  const { resources, limits } = parts;
  const load = { resources, maxBytes: limits.maxConfigurationBytes, signal: question.signal };
  return {
    ...{ parts, ...question },
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

async function readTimeouts(runOperation: RunDoctorOperation) {
  const kernelCommandLine = readFileSync('/proc/cmdline').toString('utf8');
  const path = locateAgentFile(kernelCommandLine);
  const agentFile = path === undefined ? undefined : { path, text: await runOperation('readAgentFile', { path }) };
  return resolveAgentTimeouts({ kernelCommandLine, agentFile });
}

function runDoctorIn(parts: Parts): RunDoctorOperation {
  const call = callIn(parts);
  return ((kind, request) => call({ room: 'doctor', operation: { kind, request } as never })) as RunDoctorOperation;
}
