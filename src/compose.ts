import { mkdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { requestPull } from './api/index.ts';
import type { Commands, CommonOptions, InspectOptions, PullOptions, StoreStatusResult } from './cli/index.ts';
import {
  callIn,
  daemonStateDir,
  findCredentials,
  imagePorts,
  isRoot,
  loadPolicy,
  openPool,
  type Parts,
  pullPorts,
  type RegistryAccess,
  runSnapshotIn,
  runVolumeIn,
  type StorePlace,
  storePorts,
  transportSettings,
  volumeSettings,
} from './compose-parts.ts';
import {
  type Configuration,
  type Environment,
  findAuthfiles,
  limitsOf,
  loadConfiguration,
  loadDaemonConfiguration,
} from './config/index.ts';
import { type DoctorPorts, type RunDoctorOperation, runDoctor } from './doctor/index.ts';
import { canUseSyncHandle } from './layer/index.ts';
import { openLogger } from './log/index.ts';
import type { Reference } from './oci/index.ts';
import {
  inspectImage,
  listImages,
  type ProgressEvent,
  pruneStore,
  pullImage,
  removeImages,
  unmountBundle,
} from './pull/index.ts';
import { chooseLayerFormat, mountedUppers } from './snapshot/index.ts';
import { countRecords } from './store/index.ts';
import { readVolumeStatus } from './volume/index.ts';

/** A CLI run is short; threads that idle longer only hold memory. */
const WORKER_IDLE_MS = 2_000;

export interface CliSurroundings {
  readonly environment: Environment;
  readonly version: string;
}

/** The commands of the CLI, each with its own configuration and worker threads. */
export function composeCli(surroundings: CliSurroundings): Commands {
  return {
    pull: (options, { signal, onProgress }) =>
      withParts(options, surroundings, async (parts) => {
        const progress = await teeToLog(onProgress, parts.configuration, options);
        const { reference, target } = options;
        // What is pinned may be in the store already.
        if (!reference.includes('@')) parts.pool.warm(transportSettings(parts));
        const ports = pullPorts(parts, {
          place: cliPlace(parts.configuration),
          policy: loadPolicy(parts.configuration, parts.limits),
          accessTo: cliAccess(parts, options),
          transport: transportSettings(parts),
          onProgress: progress,
        });
        return pullImage({ reference, target }, ports, signal);
      }),
    requestPull: async ({ reference: imageUrl, socketPath, bundle }, { signal }) => {
      // The daemon makes no bundle: that is the asker's.
      mkdirSync(bundle, { recursive: true, mode: 0o755 });
      return { bundle, ...(await requestPull({ socketPath, imageUrl, bundlePath: bundle, signal })) };
    },
    inspect: (options, { signal }) =>
      withParts(options, surroundings, (parts) => {
        parts.pool.warm(transportSettings(parts));
        return inspectImage(options.reference, options.view, imagePorts(parts, cliAccess(parts, options)), signal);
      }),
    umount: (options) =>
      withParts(options, surroundings, async (parts) => {
        const { directory } = options;
        const unmounted = await unmountBundle(directory, storePorts(parts, cliPlace(parts.configuration)));
        return { directory, wasMounted: unmounted.length > 0 };
      }),
    images: (options) =>
      withParts(options, surroundings, async (parts) => ({
        images: await listImages(storePorts(parts, cliPlace(parts.configuration))),
      })),
    rm: (options) =>
      withParts(options, surroundings, (parts) =>
        removeImages(options.targets, storePorts(parts, cliPlace(parts.configuration))),
      ),
    prune: (options) =>
      withParts(options, surroundings, (parts) =>
        pruneStore(options.all, storePorts(parts, cliPlace(parts.configuration))),
      ),
    storeStatus: (options) => readStoreStatus(options, surroundings),
    doctor: (options) => withParts(options, surroundings, (parts) => runDoctor(doctorPorts(parts))),
  };
}

/** From what the daemon has remembered; nothing is opened or locked. */
async function readStoreStatus(
  { configFile: file }: CommonOptions,
  { environment }: CliSurroundings,
): Promise<StoreStatusResult> {
  const kernelCommandLine = readFileSync('/proc/cmdline', 'utf8');
  const configuration = loadDaemonConfiguration({ file, environment, kernelCommandLine });
  const limits = limitsOf(configuration);
  const pool = openPool(limits, WORKER_IDLE_MS);
  try {
    const settings = volumeSettings(configuration, limits);
    const status = await readVolumeStatus(settings, { runOperation: runVolumeIn(pool) });
    const isDevice = status.place?.kind === 'device';
    const stateDir = daemonStateDir(configuration.store.state.value, isDevice ? status.mapping?.uuids[0] : undefined);
    const { images, layers, mountIds } = countRecords(stateDir);
    return { ...status, images, layers, mounts: mountedUppers(mountIds).size };
  } finally {
    pool.close();
  }
}

interface CliParts extends Parts {
  readonly environment: Environment;
}

async function withParts<T>(
  options: CommonOptions,
  { environment, version }: CliSurroundings,
  run: (parts: CliParts) => Promise<T>,
): Promise<T> {
  const { settings: flags, configFile: file } = options;
  const configuration = loadConfiguration({ program: 'cli', flags, environment, file });
  const limits = limitsOf(configuration);
  const pool = openPool(limits, WORKER_IDLE_MS);
  try {
    return await run({ configuration, environment, limits, pool, userAgent: `sealift/${version}` });
  } finally {
    pool.close();
  }
}

/** The CLI's own disk is out of the host's reach. */
function cliPlace({ store }: Configuration): StorePlace {
  return {
    dataDir: store.data.value,
    stateDir: store.state.value,
    minFreeBytes: store.minFreeBytes.value,
    layerFormat: store.layerFormat.value,
    verity: store.verity.value,
    trees: 'unused',
    allowDirectories: true,
  };
}

/** Credentials of the command line; else of the file that was named; else of the user's own files. */
function cliAccess(
  parts: CliParts,
  { credentials }: Pick<InspectOptions, 'credentials'>,
): (reference: Reference) => RegistryAccess {
  const { configuration, environment, limits } = parts;
  const { authfile, tlsVerify } = configuration.pull;
  const paths = authfile.value === undefined ? findAuthfiles(environment, process.getuid?.() ?? 0) : [authfile.value];
  return (reference) => ({
    transport: transportSettings(parts),
    allowHttp: !tlsVerify.value,
    credentials:
      credentials === undefined ? findCredentials(reference, paths, limits) : { kind: 'basic', ...credentials },
  });
}

function doctorPorts(parts: Parts): DoctorPorts {
  const { data, state, minFreeBytes, layerFormat } = parts.configuration.store;
  const call = callIn(parts);
  return {
    kernelRelease: release(),
    isRoot: isRoot(),
    dataDir: data.value,
    stateDir: state.value,
    minFreeBytes: minFreeBytes.value,
    runOperation: ((kind, request) =>
      call({ room: 'doctor', operation: { kind, request } as never })) as RunDoctorOperation,
    probeLayerFormats: (directory) => runSnapshotIn(parts)('probeLayerFormats', { directory }),
    chooseLayerFormat: (probe) => chooseLayerFormat(probe, layerFormat.value),
    canInflateSynchronously: canUseSyncHandle,
  };
}

/** With --debug each stage of a pull is one log line. */
async function teeToLog(
  onProgress: (event: ProgressEvent) => void,
  { log }: Configuration,
  { debug, reference }: PullOptions,
): Promise<(event: ProgressEvent) => void> {
  if (!debug) return onProgress;
  const logger = (await openLogger({ level: log.level.value })).child({ reference });
  return (event) => {
    onProgress(event);
    if (event.type === 'stage') logger.info({ stage: event.stage }, 'pull stage');
    if (event.type === 'warning') logger.warn({}, event.message);
  };
}
