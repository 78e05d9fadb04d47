import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { requestPull } from '../api/index.ts';
import type { ArchiveOperations } from '../archive/index.ts';
import type {
  Commands,
  CommonOptions,
  DoctorOptions,
  InspectOptions,
  PullOptions,
  StoreCommandOptions,
  StoreStatusResult,
} from '../cli/index.ts';
import {
  type Configuration,
  type DaemonConfiguration,
  type Environment,
  findRegistries,
  limitsOf,
  loadConfiguration,
  loadDaemonConfiguration,
  loadRegistries,
  type Registries,
  resolveShortName,
} from '../config/index.ts';
import { runDoctor } from '../doctor/index.ts';
import { type CliEndpointOptions, cliAuthfiles, cliEndpoints, transportSettings } from '../endpoints/index.ts';
import { fromPlainError, raceCancellation, SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import { openLogger } from '../log/index.ts';
import { fileTransportOf, registryNameOf } from '../oci/index.ts';
import type { Run } from '../operations/index.ts';
import { createCommandRunner } from '../platform/index.ts';
import {
  firstName,
  type ImagePorts,
  inspectImage,
  listImages,
  type ProgressEvent,
  pruneStore,
  pullImage,
  removeImages,
  type StoreBacking,
  unmountBundle,
} from '../pull/index.ts';
import type { RunHelper } from '../registry/index.ts';
import { createResourceLoader } from '../resources/index.ts';
import { mountedUppers } from '../snapshot/index.ts';
import { countRecords } from '../store/index.ts';
import { readVolumeStatus, type VolumeStatus } from '../volume/index.ts';
import { type ConfiguredSources, daemonDoctorPorts, doctorPorts } from './doctor.ts';
import {
  daemonBacking,
  daemonStateDir,
  imagePorts,
  loadPolicy,
  type OpenPool,
  openPool,
  type Parts,
  pullPorts,
  storePorts,
  volumeSettings,
} from './parts.ts';

/** A CLI run is short; threads that idle longer only hold memory. */
const WORKER_IDLE_MS = 2_000;

/** https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch05s15.html: never memory, which /tmp may be. */
const LARGE_FILES = '/var/tmp';

export interface CliSurroundings {
  readonly environment: Environment;
  readonly version: string;
  /** As {@link Parts.checkpoint}; nothing listens unless told otherwise. */
  readonly checkpoint?: (name: string) => void;
  /** Opens the threads of a command, which closes them at its end. */
  readonly openPool?: OpenPool;
}

/** The commands of the CLI, each with its own configuration and worker threads. */
export function composeCli(surroundings: CliSurroundings): Commands {
  return {
    pull: (options, { signal, onProgress }) =>
      withParts(options, surroundings, async (parts) => {
        const progress = await teeToLog(onProgress, parts.configuration, options);
        const { target } = options;
        // What is pinned may be in the store already.
        if (!options.reference.includes('@') && !namesFiles(options)) parts.pool.warm(transportSettings(parts));
        const registries = await cliRegistries(parts, signal);
        const registryPorts = pullPorts(parts, {
          backing: cliBacking(parts.configuration),
          policy: await loadPolicy(parts, { signal }),
          findEndpoints: cliEndpoints(parts, endpointOptions(parts, options, registries)),
          onProgress: progress,
          sweepsStore: true,
        });
        const ports = { ...registryPorts, ...archivePort(parts, options) };
        return firstName(namesOf(options, registries), (reference) => pullImage({ reference, target }, ports, signal));
      }),
    requestPull: async ({ reference: imageUrl, socketPath, bundle }, { signal }) => {
      // The daemon makes no bundle: that is the asker's.
      mkdirSync(bundle, { recursive: true, mode: 0o755 });
      return { bundle, ...(await requestPull({ socketPath, imageUrl, bundlePath: bundle, signal })) };
    },
    inspect: (options, { signal, onProgress }) =>
      withParts(options, surroundings, async (parts) => {
        if (!namesFiles(options)) parts.pool.warm(transportSettings(parts));
        const registries = await cliRegistries(parts, signal);
        const findEndpoints = cliEndpoints(parts, endpointOptions(parts, options, registries));
        const registryPorts = imagePorts(parts, findEndpoints, (message) => onProgress({ type: 'warning', message }));
        const ports = { ...registryPorts, ...archivePort(parts, options) };
        return firstName(namesOf(options, registries), (reference) =>
          inspectImage({ reference, view: options.view }, ports, signal),
        );
      }),
    umount: (options) =>
      withParts(options, surroundings, async (parts) => {
        const { directory } = options;
        const unmounted = await unmountBundle(directory, storePorts(parts, cliBacking(parts.configuration)));
        return { directory, wasMounted: unmounted.length > 0 };
      }),
    images: (options) => withStore(options, surroundings, async (ports) => ({ images: await listImages(ports) })),
    rm: (options) => withStore(options, surroundings, (ports) => removeImages(options.targets, ports)),
    prune: (options) => withStore(options, surroundings, (ports) => pruneStore(options.all, ports)),
    storeStatus: (options) => withDaemon(options, surroundings, describeStore),
    doctor: (options, { signal }) =>
      options.ofDaemon
        ? withDaemon(options, surroundings, async (daemon) =>
            runDoctor(await daemonDoctorPorts(daemon, { images: options.images, signal })),
          )
        : withParts(options, surroundings, async (parts) =>
            runDoctor(await doctorPorts(parts, cliSources(parts, options, signal))),
          ),
  };
}

type Named = Pick<InspectOptions, 'reference'>;

function namesFiles({ reference }: Named): boolean {
  return fileTransportOf(reference) !== undefined;
}

/** What a reference may stand for. Behind docker:// a name is taken as it is, and so is a path. */
function namesOf(options: Named, registries: Registries): readonly string[] {
  if (namesFiles(options)) return [options.reference];
  const name = registryNameOf(options.reference);
  return name === undefined ? resolveShortName(registries, options.reference) : [name];
}

/** Only the command line reads paths that a reference names, and only where it names one. */
function archivePort({ pool, limits }: Parts, options: Named): Pick<ImagePorts, 'openArchive'> {
  if (!namesFiles(options)) return {};
  return {
    openArchive: async (reference, { scratchDir = LARGE_FILES, signal }) => {
      const { openArchive } = await import('../archive/index.ts');
      // However long it takes: an archive may be large, and the user can cancel.
      const run = pool.runner('archive');
      const runOperation: Run<ArchiveOperations> = (kind, request) =>
        raceCancellation(run(kind, request), kind === 'closeAll' ? undefined : signal);
      return openArchive(reference, { runOperation, scratchDir, limits });
    },
  };
}

type CliStorePorts = ReturnType<typeof storePorts>;

/** The CLI's own store or, with --daemon, the one that the daemon pulls into. */
function withStore<T>(
  options: StoreCommandOptions,
  surroundings: CliSurroundings,
  run: (ports: CliStorePorts) => Promise<T>,
): Promise<T> {
  if (options.ofDaemon) return withDaemon(options, surroundings, (daemon) => run(daemonStorePorts(daemon)));
  return withParts(options, surroundings, (parts) => run(storePorts(parts, cliBacking(parts.configuration))));
}

function daemonStorePorts({ parts, configuration, status }: DaemonView): CliStorePorts {
  if (status.backing === undefined) {
    const state = `image store: expected one that pulls go to, got the state ${status.state}`;
    throw status.error === undefined ? new SealiftError('STORE_INVALID', state) : fromPlainError(status.error);
  }
  const backing = daemonBacking(configuration, status.backing);
  // To open it would make it, under a mount that is still to come.
  if (existsSync(backing.stateDir)) return storePorts(parts, backing);
  throw new SealiftError('STORE_INVALID', `image store: expected ${backing.stateDir}, which the first pull makes`, {
    hint: 'name the configuration of the daemon with -c, or leave --daemon out for the store of the command line',
  });
}

/** The daemon's store as it has remembered it. */
interface DaemonView {
  readonly parts: Parts;
  readonly configuration: DaemonConfiguration;
  readonly status: VolumeStatus;
}

async function withDaemon<T>(
  { configFile: file }: CommonOptions,
  { environment, version, openPool: open = openPool }: CliSurroundings,
  run: (daemon: DaemonView) => Promise<T>,
): Promise<T> {
  const kernelCommandLine = readFileSync('/proc/cmdline').toString('utf8');
  const configuration = loadDaemonConfiguration({ file, environment, kernelCommandLine });
  const limits = limitsOf(configuration);
  const pool = open(limits, WORKER_IDLE_MS);
  try {
    const settings = volumeSettings(configuration, limits);
    const status = await readVolumeStatus(settings, { runOperation: pool.runner('volume') });
    const userAgent = `sealift/${version}`;
    const resources = createResourceLoader();
    const parts = { configuration, limits, pool, userAgent, resources, checkpoint: () => {} };
    return await run({ parts, configuration, status });
  } finally {
    pool.close();
  }
}

/** Nothing is opened or locked. */
async function describeStore({ configuration, status }: DaemonView): Promise<StoreStatusResult> {
  const { backing, ...rest } = status;
  const { images, layers, mountIds } = countRecords(daemonStateDir(configuration.store.state.value, backing));
  return { ...rest, place: backing, images, layers, mounts: mountedUppers(mountIds).size };
}

interface CliParts extends Parts {
  readonly environment: Environment;
}

async function withParts<T>(
  options: CommonOptions,
  { environment, version, checkpoint = () => {}, openPool: open = openPool }: CliSurroundings,
  run: (parts: CliParts) => Promise<T>,
): Promise<T> {
  const { settings: flags, configFile: file } = options;
  const configuration = loadConfiguration({ program: 'cli', flags, environment, file });
  const limits = limitsOf(configuration);
  const pool = open(limits, WORKER_IDLE_MS);
  try {
    const userAgent = `sealift/${version}`;
    const resources = createResourceLoader();
    return await run({ configuration, environment, limits, pool, userAgent, resources, checkpoint });
  } finally {
    pool.close();
  }
}

/** The CLI's own disk is out of the host's reach. */
function cliBacking({ store }: Configuration): StoreBacking {
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

function cliRegistries(
  { configuration, environment, limits, resources }: CliParts,
  signal: AbortSignal,
): Promise<Registries> {
  const load = { resources, maxBytes: limits.maxConfigurationBytes, signal };
  return loadRegistries(findRegistries(configuration, environment), load);
}

function endpointOptions(
  { environment, limits }: CliParts,
  { credentials, certDir }: Pick<InspectOptions, 'credentials' | 'certDir'>,
  registries: Registries,
): CliEndpointOptions {
  return {
    ...{ environment, registries, certDir },
    uid: uid(),
    runHelper: helperRunner(environment, limits),
    credentials: credentials === undefined ? undefined : { kind: 'basic', ...credentials },
  };
}

/** What a pull of these images would do on the network. */
function cliSources(parts: CliParts, options: DoctorOptions, signal: AbortSignal): ConfiguredSources {
  const { environment } = parts;
  return {
    images: options.images,
    signal,
    loadRegistries: () => cliRegistries(parts, signal),
    namesOf: (image, registries) => namesOf({ reference: image }, registries),
    findEndpoints: (registries) =>
      cliEndpoints(parts, endpointOptions(parts, { credentials: undefined, certDir: options.certDir }, registries)),
    authfiles: cliAuthfiles(parts, { environment, uid: uid() }),
    helperPath: environment['PATH'] ?? '',
    secretsFrom: () => 'the command line',
    mirrorHosts: [],
  };
}

function uid(): number {
  return process.getuid?.() ?? 0;
}

/** Programs are found as a shell finds them, and have the environment of the user whose keychain it is. */
function helperRunner(environment: Environment, limits: Limits): RunHelper {
  const { credentialHelperTimeoutMs: timeoutMs, maxProgramOutputBytes: maxOutputBytes } = limits;
  const folders = (environment['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const commands = createCommandRunner({ folders, environment, maxOutputBytes });
  return (program, stdin) => commands.start({ program, parameters: ['get'], stdin, timeoutMs }).end;
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
