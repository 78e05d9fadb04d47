import { mkdirSync } from 'node:fs';
import type { ArchiveOperations } from '../archive/index.ts';
import type {
  Commands,
  CommonOptions,
  DoctorOptions,
  InspectOptions,
  PullOptions,
  StoreCommandOptions,
} from '../cli/index.ts';
import {
  type Configuration,
  type Environment,
  findRegistries,
  loadConfiguration,
  loadNamedFile,
  loadRegistries,
  type Registries,
} from '../config/index.ts';
import { logProgress } from '../daemon/index.ts';
import {
  type CliEndpointOptions,
  cliAuthfiles,
  cliEndpoints,
  cliNames,
  createHelperRunner,
  namesFiles,
  transportSettings,
} from '../endpoints/index.ts';
import { raceCancellation } from '../errors/index.ts';
import { openLogger } from '../log/index.ts';
import { cliLookaside } from '../lookaside/index.ts';
import { type Run, withOptions } from '../operations/index.ts';
import {
  cliBacking,
  firstName,
  type ImagePorts,
  inspectImage,
  listImages,
  type ProgressEvent,
  pruneStore,
  pullImage,
  removeImages,
  unmountBundle,
} from '../pull/index.ts';
import { loadPolicy } from '../signature/index.ts';
import type { DaemonView, ViewOptions } from './daemon-view.ts';
import type { ConfiguredSources } from './doctor.ts';
import { loadOptions, type OpenPool, openParts, type Parts } from './parts.ts';
import { imagePorts, pullPorts } from './pull.ts';
import { type BackingPorts, storePorts } from './store.ts';

/** A command is short; threads that idle longer only hold memory. */
const WORKER_IDLE_MS = 2_000;

/** https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch05s15.html: never memory, which /tmp may be. */
const LARGE_FILES = '/var/tmp';

export interface CliSurroundings {
  readonly environment: Environment;
  readonly version: string;
  /** See {@link Parts.checkpoint}. */
  readonly checkpoint?: (name: string) => void;
  /** Opens the threads of a command, which closes them at its end. */
  readonly openPool?: OpenPool;
}

/** The surroundings of one command, with the signal that cancels it. */
type CommandSurroundings = CliSurroundings & { readonly signal: AbortSignal };

/** The commands of the CLI, each with its own configuration and worker threads. */
export function composeCli(surroundings: CliSurroundings): Commands {
  const within = (signal: AbortSignal): CommandSurroundings => ({ ...surroundings, signal });
  return {
    pull: (options, { signal, onProgress }) =>
      withParts(options, within(signal), async (parts) => {
        const progress = await teeToLog(onProgress, parts.configuration, options);
        const { target } = options;
        // An image with a digest may be in the store already.
        if (!options.reference.includes('@') && !namesFiles(options.reference))
          parts.pool.warm(transportSettings(parts));
        const registries = await cliRegistries(parts, signal);
        const registryPorts = pullPorts(parts, {
          backing: cliBacking(parts.configuration),
          policy: await loadPolicy(parts.configuration.pull, loadOptions(parts, signal)),
          findEndpoints: cliEndpoints(parts, endpointOptions(parts, options, registries)),
          locateSignatures: cliLookaside(parts, { environment: parts.environment, uid: uid() }),
          onProgress: progress,
          sweepsStore: true,
        });
        const ports = { ...registryPorts, ...archivePort(parts, options.reference) };
        return firstName(cliNames(options.reference, registries), (reference) =>
          pullImage({ reference, target }, ports, signal),
        );
      }),
    requestPull: async ({ reference: imageUrl, socketPath, bundle }, { signal }) => {
      // The daemon makes no bundle: its client does.
      mkdirSync(bundle, { recursive: true, mode: 0o755 });
      const { requestPull } = await import('../api/index.ts');
      return { bundle, ...(await requestPull({ socketPath, imageUrl, bundlePath: bundle, signal })) };
    },
    inspect: (options, { signal, onProgress }) =>
      withParts(options, within(signal), async (parts) => {
        if (!namesFiles(options.reference)) parts.pool.warm(transportSettings(parts));
        const registries = await cliRegistries(parts, signal);
        const findEndpoints = cliEndpoints(parts, endpointOptions(parts, options, registries));
        const registryPorts = imagePorts(parts, findEndpoints, (message) => onProgress({ type: 'warning', message }));
        const ports = { ...registryPorts, ...archivePort(parts, options.reference) };
        return firstName(cliNames(options.reference, registries), (reference) =>
          inspectImage({ reference, view: options.view }, ports, signal),
        );
      }),
    umount: (options, { signal }) =>
      withParts(options, within(signal), async (parts) => {
        const { directory } = options;
        const unmounted = await unmountBundle(directory, cliStore(parts), { signal });
        return { directory, wasMounted: unmounted.length > 0 };
      }),
    images: (options, { signal }) =>
      withStore(options, within(signal), async (ports) => ({ images: await listImages(ports) })),
    rm: (options, { signal }) =>
      withStore(options, within(signal), (ports) => removeImages(options.targets, ports, signal)),
    prune: (options, { signal }) =>
      withStore(options, within(signal), (ports) => pruneStore(options.all, ports, signal)),
    storeStatus: async (options, { signal }) => {
      const { describeStore } = await import('./daemon-view.ts');
      return viewDaemon(options, within(signal), describeStore);
    },
    doctor: async (options, { signal }) => {
      const { runDoctor } = await import('../doctor/index.ts');
      const { daemonDoctorPorts, doctorPorts } = await import('./doctor.ts');
      const { images, ofDaemon } = options;
      if (ofDaemon)
        return viewDaemon({ ...options, allowsDefaults: true }, within(signal), async (daemon) =>
          runDoctor(await daemonDoctorPorts(daemon, { images, signal })),
        );
      return withParts(options, within(signal), async (parts) =>
        runDoctor(await doctorPorts(parts, cliSources(parts, options, signal))),
      );
    },
  };
}

/** Only the command line reads files that a reference names, and only when it names some. */
function archivePort({ pool, limits }: Parts, reference: string): Pick<ImagePorts, 'openArchive'> {
  if (!namesFiles(reference)) return {};
  return {
    openArchive: async (files, { scratchDir = LARGE_FILES, signal }) => {
      const { openArchive } = await import('../archive/index.ts');
      // Without a deadline: an archive may be large, and the user can cancel.
      const run = withOptions(pool.runner('archive'), { lane: { owner: 'archive' } });
      const runOperation: Run<ArchiveOperations> = (kind, request) =>
        raceCancellation(run(kind, request), kind === 'closeAll' ? undefined : signal);
      return openArchive(files, { runOperation, scratchDir, limits });
    },
  };
}

/** Runs on the CLI's own store or, with --daemon, on the one that the daemon pulls into. */
function withStore<T>(
  options: StoreCommandOptions,
  surroundings: CommandSurroundings,
  run: (ports: BackingPorts) => Promise<T>,
): Promise<T> {
  if (!options.ofDaemon) return withParts(options, surroundings, (parts) => run(cliStore(parts)));
  return viewDaemon(options, surroundings, ({ parts, backing }) => run(storePorts(parts, backing())));
}

async function viewDaemon<T>(
  { configFile, allowsDefaults }: Pick<ViewOptions, 'configFile' | 'allowsDefaults'>,
  surroundings: CommandSurroundings,
  run: (daemon: DaemonView) => Promise<T>,
): Promise<T> {
  const { withDaemon } = await import('./daemon-view.ts');
  const viewed = { ...surroundings, configFile, allowsDefaults };
  return withDaemon({ ...viewed, checkpoint: undefined, idleMs: WORKER_IDLE_MS }, run);
}

interface CliParts extends Parts {
  readonly environment: Environment;
}

async function withParts<T>(
  { settings: flags, configFile }: CommonOptions,
  { signal, ...surroundings }: CommandSurroundings,
  run: (parts: CliParts) => Promise<T>,
): Promise<T> {
  const { environment } = surroundings;
  const file = await loadNamedFile(configFile, signal);
  const configuration = loadConfiguration({ program: 'cli', flags, environment, file });
  const parts = openParts(configuration, { ...surroundings, idleMs: WORKER_IDLE_MS });
  try {
    return await run({ ...parts, environment });
  } finally {
    parts.pool.close();
  }
}

function cliStore(parts: Parts): BackingPorts {
  return storePorts(parts, cliBacking(parts.configuration));
}

function cliRegistries(parts: CliParts, signal: AbortSignal): Promise<Registries> {
  const { configuration, environment } = parts;
  return loadRegistries(findRegistries(configuration, environment), loadOptions(parts, signal));
}

function endpointOptions(
  { environment, limits }: CliParts,
  { credentials, certDir }: Pick<InspectOptions, 'credentials' | 'certDir'>,
  registries: Registries,
): CliEndpointOptions {
  return {
    environment,
    registries,
    certDir,
    uid: uid(),
    runHelper: createHelperRunner(environment, limits),
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
    namesOf: cliNames,
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

/** With --debug each stage of a pull is a log line as well. */
async function teeToLog(
  onProgress: (event: ProgressEvent) => void,
  { log }: Configuration,
  { debug, reference }: PullOptions,
): Promise<(event: ProgressEvent) => void> {
  if (!debug) return onProgress;
  const logger = (await openLogger({ level: log.level.value })).child({ reference });
  return (event) => {
    onProgress(event);
    logProgress(event, logger);
  };
}
