import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Commands, CommonOptions, InspectOptions, PullOptions } from './cli/index.ts';
import {
  assertTransportAllowed,
  type Configuration,
  type Environment,
  findAuthfiles,
  limitsOf,
  loadConfiguration,
  loadTextFile,
} from './config/index.ts';
import { type DoctorPorts, type RunDoctorOperation, runDoctor } from './doctor/index.ts';
import { SealiftError } from './errors/index.ts';
import { canUseSyncHandle, WorkerPool } from './layer/index.ts';
import type { Limits } from './limits/index.ts';
import { openLogger } from './log/index.ts';
import { hostPlatform, parsePlatform } from './oci/index.ts';
import type { RoomOperation } from './perform-operation.ts';
import { hasShaInstructions, isInMemory } from './platform/index.ts';
import {
  type ImagePorts,
  inspectImage,
  type LayerFormat,
  listImages,
  type ProgressEvent,
  type PullPorts,
  pruneStore,
  pullImage,
  type RunBundleOperation,
  removeImages,
  unmountBundle,
} from './pull/index.ts';
import {
  type Credentials,
  createRegistrySource,
  credentialsFor,
  parseAuthFile,
  type RepositoryName,
} from './registry/index.ts';
import { type AuthorizedImage, type PolicyChoice, parsePolicy } from './signature/index.ts';
import {
  chooseLayerFormat,
  createLayerMounts,
  createSnapshotter,
  mountedUppers,
  type RunSnapshotOperation,
} from './snapshot/index.ts';
import {
  type Clock,
  type MountShelf,
  openStore,
  type RunStoreOperation,
  type Store,
  type StoreOptions,
} from './store/index.ts';

/** From source the worker is a module of this tree, in a build its bundle lies beside ours. */
const WORKER_ENTRY = import.meta.url.endsWith('.ts')
  ? new URL('./layer/worker.ts', import.meta.url)
  : new URL('./worker.mjs', import.meta.url);

/** A CLI run is short; threads that idle longer only hold memory. */
const WORKER_IDLE_MS = 2_000;

const CLOCK: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};

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
        return pullImage({ reference, target }, pullPorts(parts, options, progress), signal);
      }),
    inspect: (options, { signal }) =>
      withParts(options, surroundings, (parts) => {
        parts.pool.warm(transportSettings(parts));
        return inspectImage(options.reference, options.view, imagePorts(parts, options), signal);
      }),
    umount: (options) =>
      withParts(options, surroundings, async (parts) => {
        const { directory } = options;
        const unmounted = await unmountBundle(directory, storePorts(parts));
        return { directory, wasMounted: unmounted.length > 0 };
      }),
    images: (options) =>
      withParts(options, surroundings, async (parts) => ({ images: await listImages(storePorts(parts)) })),
    rm: (options) => withParts(options, surroundings, (parts) => removeImages(options.targets, storePorts(parts))),
    prune: (options) => withParts(options, surroundings, (parts) => pruneStore(options.all, storePorts(parts))),
    doctor: (options) => withParts(options, surroundings, (parts) => runDoctor(doctorPorts(parts))),
  };
}

interface Parts {
  readonly configuration: Configuration;
  readonly environment: Environment;
  readonly limits: Limits;
  readonly pool: WorkerPool;
  readonly userAgent: string;
}

async function withParts<T>(
  options: CommonOptions,
  { environment, version }: CliSurroundings,
  run: (parts: Parts) => Promise<T>,
): Promise<T> {
  const { settings: flags, configFile: file } = options;
  const configuration = loadConfiguration({ program: 'cli', flags, environment, file });
  const limits = limitsOf(configuration);
  const pool = openPool(limits);
  try {
    return await run({ configuration, environment, limits, pool, userAgent: `sealift/${version}` });
  } finally {
    pool.close();
  }
}

/** With two cores and SHA instructions a third thread for hash trees gains nothing, and costs 17 MB. */
function openPool(limits: Limits): WorkerPool {
  const cores = availableParallelism();
  const treeThread = cores > 2 || !hasShaInstructions();
  return new WorkerPool({ entry: WORKER_ENTRY, cores, idleMs: WORKER_IDLE_MS, limits, treeThread });
}

function imagePorts(parts: Parts, { credentials }: Pick<InspectOptions, 'credentials'>): ImagePorts {
  const { configuration, limits, pool } = parts;
  const { platform, tlsVerify } = configuration.pull;
  const http = pool.httpClient(transportSettings(parts));
  return {
    openSource: (reference) =>
      createRegistrySource({
        reference,
        http,
        credentials: credentials === undefined ? findCredentials(reference, parts) : { kind: 'basic', ...credentials },
        allowHttp: !tlsVerify.value,
        limits,
        clock: { now: () => performance.now() },
      }),
    platform: platform.value === undefined ? hostPlatform(process.arch) : parsePlatform(platform.value),
    limits,
  };
}

function pullPorts(parts: Parts, options: PullOptions, onProgress: (event: ProgressEvent) => void): PullPorts {
  const { configuration, pool } = parts;
  return {
    ...imagePorts(parts, options),
    ...storePorts(parts),
    policy: loadPolicy(configuration, parts.limits),
    assertTransport: (image) => assertTransportAllowed(configuration, proofOf(image)),
    transport: transportSettings(parts),
    pool,
    onProgress,
    nowMs: () => performance.now(),
    isPrivileged: isRoot(),
  };
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

/** Deleting takes as long as it takes, beside all else; everything else is short, or the disk does not answer. */
function callIn({ pool, limits }: Pick<Parts, 'pool' | 'limits'>): (operation: RoomOperation) => Promise<unknown> {
  return (operation) =>
    operation.room === 'store' && operation.operation.kind === 'emptyTrash'
      ? pool.call(operation, { lane: 'background' })
      : pool.call(operation, { timeoutMs: limits.storeTimeoutMs });
}

function runSnapshotIn(parts: Pick<Parts, 'pool' | 'limits'>): RunSnapshotOperation {
  const call = callIn(parts);
  return ((kind, request) => call({ room: 'snapshot', operation: { kind, request } as never })) as RunSnapshotOperation;
}

function storePorts(parts: Parts) {
  const call = callIn(parts);
  const runStore = ((kind, request) =>
    call({ room: 'store', operation: { kind, request } as never })) as RunStoreOperation;
  const runSnapshot = runSnapshotIn(parts);
  const runBundle = ((operation) => call({ room: 'bundle', operation })) as RunBundleOperation;
  const checkpoint = (): void => {};
  const layerMounts = (shelf: MountShelf) =>
    createLayerMounts({
      runOperation: runSnapshot,
      shelf,
      mountsDir: shelf.layerMountsDir,
      tryLock: shelf.tryMountLock,
      clock: CLOCK,
      lockTimeoutMs: parts.limits.lockTimeoutMs,
    });
  return {
    runSnapshot,
    runBundle,
    openStore: () => openCliStore(parts, runStore, (shelf) => layerMounts(shelf).sweep()),
    openLayerMounts: layerMounts,
    chooseLayerFormat: (dataDir: string) => chooseFormat(parts, runSnapshot, dataDir),
    openSnapshotter: (shelf: Store) =>
      createSnapshotter({ runOperation: runSnapshot, shelf, layerMounts: layerMounts(shelf), checkpoint }),
  };
}

/** A CLI's own store is out of the host's reach, so that a tree is only written when it is asked for. */
async function chooseFormat(
  { configuration }: Parts,
  runSnapshot: RunSnapshotOperation,
  directory: string,
): Promise<LayerFormat> {
  const { layerFormat, verity } = configuration.store;
  if (layerFormat.value === 'directory') return { format: 'directory', verity: false };
  const probe = await runSnapshot('probeLayerFormats', { directory });
  const { format } = chooseLayerFormat(probe, layerFormat.value);
  return { format, verity: format === 'erofs' && verity.value === 'always' };
}

async function openCliStore(
  { configuration, limits }: Parts,
  runOperation: RunStoreOperation,
  sweepLayerMounts: StoreOptions['sweepLayerMounts'],
): Promise<Store> {
  if (!isRoot()) {
    throw new SealiftError('PRIVILEGE_REQUIRED', 'open store: expected root, got an ordinary user');
  }
  const { data, state, minFreeBytes } = configuration.store;
  return openStore({
    stateDir: state.value,
    dataDir: data.value,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    // Synced for the sake of an index that outlives the machine's crash; one in memory does not.
    durable: !isInMemory(state.value),
    lockTimeoutMs: limits.lockTimeoutMs,
    minFreeBytes: minFreeBytes.value,
    clock: CLOCK,
    epochMs: () => Date.now(),
    checkpoint: () => {},
    runOperation,
    findMountedUppers: mountedUppers,
    sweepLayerMounts,
  });
}

function transportSettings({ configuration, userAgent }: Parts) {
  const { tlsVerify, extraRootCertificates } = configuration.pull;
  return { tlsVerify: tlsVerify.value, extraRoots: extraRootCertificates.value, userAgent };
}

/** A signature cannot be verified yet, so that a policy's word alone is no proof of the bytes. */
function proofOf(image: AuthorizedImage): 'digest' | 'none' {
  return image.reference.digest === undefined ? 'none' : 'digest';
}

function loadPolicy({ pull }: Configuration, limits: Limits): PolicyChoice {
  if (pull.insecurePolicy.value) return 'insecure-accept-anything';
  const path = pull.policy.value;
  if (path === undefined) return undefined;
  const maxBytes = limits.maxConfigurationBytes;
  return parsePolicy(loadTextFile({ path, what: 'policy', maxBytes, code: 'POLICY_INVALID' }));
}

/** The named file alone; otherwise the first of the user's own files that knows the repository. */
function findCredentials(name: RepositoryName, { configuration, environment, limits }: Parts): Credentials | undefined {
  const named = configuration.pull.authfile.value;
  const paths = named === undefined ? findAuthfiles(environment, process.getuid?.() ?? 0) : [named];
  const maxBytes = limits.maxConfigurationBytes;
  for (const path of paths) {
    const text = loadTextFile({ path, what: 'credentials', maxBytes, code: 'AUTHFILE_INVALID' });
    const found = credentialsFor(parseAuthFile(text), name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
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
