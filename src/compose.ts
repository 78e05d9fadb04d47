import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
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
import { SealiftError } from './errors/index.ts';
import { WorkerPool } from './layer/index.ts';
import type { Limits } from './limits/index.ts';
import { openLogger } from './log/index.ts';
import { hostPlatform, parsePlatform } from './oci/index.ts';
import type { RoomOperation } from './perform-operation.ts';
import { isInMemory } from './platform/index.ts';
import {
  type ImagePorts,
  inspectImage,
  Lanes,
  type ProgressEvent,
  type PullPorts,
  pullImage,
  type RunBundleOperation,
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
import { createSnapshotter, type RunSnapshotOperation } from './snapshot/index.ts';
import { openStore, type RunStoreOperation, type Store } from './store/index.ts';

/** From source the worker is a module of this tree, in a build its bundle lies beside ours. */
const WORKER_ENTRY = import.meta.url.endsWith('.ts')
  ? new URL('./layer/worker.ts', import.meta.url)
  : new URL('./worker.mjs', import.meta.url);

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
        return pullImage({ reference, target }, pullPorts(parts, options, progress), signal);
      }),
    inspect: (options, { signal }) =>
      withParts(options, surroundings, (parts) =>
        inspectImage(options.reference, options.view, imagePorts(parts, options), signal),
      ),
    umount: (options) =>
      withParts(options, surroundings, async (parts) => {
        const { directory } = options;
        const unmounted = await unmountBundle(directory, storePorts(parts));
        return { directory, wasMounted: unmounted.length > 0 };
      }),
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
  const pool = new WorkerPool({ entry: WORKER_ENTRY, idleMs: WORKER_IDLE_MS, limits });
  try {
    return await run({ configuration, environment, limits, pool, userAgent: `sealift/${version}` });
  } finally {
    pool.close();
  }
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
    lanes: new Lanes(Math.max(2, availableParallelism())),
    onProgress,
    nowMs: () => performance.now(),
    isPrivileged: isRoot(),
  };
}

function storePorts(parts: Parts) {
  const { pool } = parts;
  const call = (operation: RoomOperation) => pool.call(operation);
  const runStore = ((kind, request) =>
    call({ room: 'store', operation: { kind, request } as never })) as RunStoreOperation;
  const runSnapshot = ((kind, request) =>
    call({ room: 'snapshot', operation: { kind, request } as never })) as RunSnapshotOperation;
  const runBundle = ((operation) => call({ room: 'bundle', operation })) as RunBundleOperation;
  const checkpoint = (): void => {};
  return {
    runSnapshot,
    runBundle,
    openStore: () => openCliStore(parts, runStore),
    openSnapshotter: (shelf: Store) => createSnapshotter({ runOperation: runSnapshot, shelf, checkpoint }),
  };
}

async function openCliStore({ configuration, limits }: Parts, runOperation: RunStoreOperation): Promise<Store> {
  if (!isRoot()) {
    throw new SealiftError('PRIVILEGE_REQUIRED', 'open store: expected root, got an ordinary user');
  }
  const { data, state } = configuration.store;
  return openStore({
    stateDir: state.value,
    dataDir: data.value,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    // Synced for the sake of an index that outlives the machine's crash; one in memory does not.
    durable: !isInMemory(state.value),
    lockTimeoutMs: limits.lockTimeoutMs,
    clock: {
      nowMs: () => performance.now(),
      sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
    },
    checkpoint: () => {},
    runOperation,
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
