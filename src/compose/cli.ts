import { mkdirSync } from 'node:fs';
import type { ArchiveOperations } from '../archive/index.ts';
import type {
  CommandIo,
  Commands,
  CommonOptions,
  DoctorOptions,
  RegistryOptions,
  StoreCommandOptions,
} from '../cli/index.ts';
import {
  type Environment,
  findRegistries,
  loadConfiguration,
  loadNamedFile,
  loadRegistries,
  type Registries,
} from '../config/index.ts';
import { teeToLog } from '../daemon/index.ts';
import {
  cliAuthfiles,
  cliEndpoints,
  cliNames,
  createHelperRunner,
  type FindEndpoints,
  namesFiles,
  transportSettings,
} from '../endpoints/index.ts';
import { raceCancellation } from '../errors/index.ts';
import { cliLookaside } from '../lookaside/index.ts';
import { type Run, withOptions } from '../operations/index.ts';
import {
  cliBacking,
  firstName,
  type ImagePorts,
  inspectImage,
  listImages,
  pruneStore,
  pullImage,
  removeImages,
  unmountBundle,
  verifyImage,
} from '../pull/index.ts';
import { loadOptions } from '../resources/index.ts';
import { loadPolicy } from '../signature/index.ts';
import type { DaemonView, ViewOptions } from './daemon-view.ts';
import type { ConfiguredSources } from './doctor.ts';
import { type OpenPool, openParts, type Parts } from './parts.ts';
import { gatePorts, imagePorts, keyLoader, pullPorts } from './pull.ts';
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
type CommandSurroundings = CliSurroundings & CommandIo;

/** The commands of the CLI, each with its own configuration and worker threads. */
export function composeCli(surroundings: CliSurroundings): Commands {
  const within = (io: CommandIo): CommandSurroundings => ({ ...surroundings, ...io });
  return {
    pull: (options, io) =>
      withImage(options, within(io), async (parts, names, image) => {
        const ports = pullPorts(parts, {
          image,
          ...(await judging(parts)),
          backing: cliBacking(parts.configuration),
          onProgress: await teeToLog(io.onProgress, options, parts.configuration.log.level.value),
          sweepsStore: true,
        });
        return firstName(names, (reference) => pullImage({ reference, target: options.target }, ports, io.signal));
      }),
    requestPull: async ({ reference: imageUrl, socketPath, bundle }, { signal }) => {
      // The daemon makes no bundle: its client does.
      mkdirSync(bundle, { recursive: true, mode: 0o755 });
      const { requestPull } = await import('../api/index.ts');
      return { bundle, ...(await requestPull({ socketPath, imageUrl, bundlePath: bundle, signal })) };
    },
    inspect: (options, io) =>
      withImage(options, within(io), (_, names, image) =>
        firstName(names, (reference) => inspectImage({ reference, view: options.view }, image, io.signal)),
      ),
    verify: (options, io) =>
      withImage(options, within(io), async (parts, names, image) => {
        const ports = { ...image, ...gatePorts(parts, await judging(parts)) };
        return firstName(names, (reference) => verifyImage({ reference }, ports, io.signal));
      }),
    checkPolicy: async (options, io) => {
      const { checkPolicyFile } = await import('../signature/policy-check/index.ts');
      return withParts(options, within(io), (parts) =>
        checkPolicyFile(options, { ...parts, keys: keyLoader(parts) }, io.signal),
      );
    },
    umount: (options, io) =>
      withParts(options, within(io), async (parts) => {
        const { directory } = options;
        const unmounted = await unmountBundle(directory, cliStore(parts), { signal: io.signal });
        return { directory, wasMounted: unmounted.length > 0 };
      }),
    images: (options, io) => withStore(options, within(io), async (ports) => ({ images: await listImages(ports) })),
    rm: (options, io) => withStore(options, within(io), (ports) => removeImages(options.targets, ports, io.signal)),
    prune: (options, io) => withStore(options, within(io), (ports) => pruneStore(options.all, ports, io.signal)),
    storeStatus: async (options, io) => {
      const { describeStore } = await import('./daemon-view.ts');
      return viewDaemon(options, within(io), describeStore);
    },
    doctor: async (options, io) => {
      const { runDoctor } = await import('../doctor/index.ts');
      const { daemonDoctorPorts, doctorPorts } = await import('./doctor.ts');
      const { images, ofDaemon } = options;
      if (ofDaemon)
        return viewDaemon({ ...options, allowsDefaults: true }, within(io), async (daemon) =>
          runDoctor(await daemonDoctorPorts(daemon, { images, signal: io.signal })),
        );
      return withParts(options, within(io), async (parts) =>
        runDoctor(await doctorPorts(parts, cliSources(parts, options))),
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
  readonly uid: number;
  readonly signal: AbortSignal;
}

/** Runs with the names that a reference of the command line may stand for, and with what finds their images. */
function withImage<T>(
  options: RegistryOptions & { readonly reference: string; readonly target?: unknown },
  surroundings: CommandSurroundings,
  run: (parts: CliParts, names: readonly string[], image: ImagePorts) => Promise<T>,
): Promise<T> {
  const { reference, target } = options;
  return withParts(options, surroundings, async (parts) => {
    // An image with a digest that is pulled may be in the store already.
    const mayBeStored = target !== undefined && reference.includes('@');
    if (!mayBeStored && !namesFiles(reference)) parts.pool.warm(transportSettings(parts));
    const registries = await cliRegistries(parts);
    const image = imagePorts(parts, findEndpoints(parts, options, registries), surroundings.onProgress);
    return run(parts, cliNames(reference, registries), { ...image, ...archivePort(parts, reference) });
  });
}

/** The policy of the command line, and where it looks for signatures. */
async function judging(parts: CliParts) {
  const policy = await loadPolicy(parts.configuration.pull, loadOptions(parts, parts.signal));
  return { policy, locateSignatures: cliLookaside(parts, parts) };
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
    return await run({ ...parts, environment, uid: process.getuid?.() ?? 0, signal });
  } finally {
    parts.pool.close();
  }
}

function cliStore(parts: Parts): BackingPorts {
  return storePorts(parts, cliBacking(parts.configuration));
}

function cliRegistries(parts: CliParts): Promise<Registries> {
  return loadRegistries(findRegistries(parts.configuration, parts.environment), loadOptions(parts, parts.signal));
}

function findEndpoints(
  parts: CliParts,
  { credentials, certDir }: Pick<RegistryOptions, 'credentials' | 'certDir'>,
  registries: Registries,
): FindEndpoints {
  const { environment, uid, limits } = parts;
  const runHelper = createHelperRunner(environment, limits);
  const given = credentials === undefined ? undefined : ({ kind: 'basic', ...credentials } as const);
  return cliEndpoints(parts, { environment, registries, certDir, uid, runHelper, credentials: given });
}

/** What a pull of these images would do on the network. */
function cliSources(parts: CliParts, { images, certDir }: DoctorOptions): ConfiguredSources {
  const { environment, signal } = parts;
  return {
    images,
    signal,
    loadRegistries: () => cliRegistries(parts),
    namesOf: cliNames,
    findEndpoints: (registries) => findEndpoints(parts, { credentials: undefined, certDir }, registries),
    authfiles: cliAuthfiles(parts, parts),
    helperPath: environment['PATH'] ?? '',
    secretsFrom: () => 'the command line',
    mirrorHosts: [],
  };
}
