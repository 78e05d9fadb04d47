import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Configuration, DaemonConfiguration } from '../config/index.ts';
import { type FindEndpoints, openImageEndpoints, transportSettings } from '../endpoints/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import { hostPlatform, parsePlatform } from '../oci/index.ts';
import { type Run, withOptions } from '../operations/index.ts';
import { hasShaInstructions, isInMemory } from '../platform/index.ts';
import {
  chooseStoreFormat,
  type ImagePorts,
  type ProgressEvent,
  type PullPorts,
  type StoreBacking,
} from '../pull/index.ts';
import { inlineUri, loadText, type ResourceLoader } from '../resources/index.ts';
import { createKeyLoader, type PolicyChoice, parsePolicy } from '../signature/index.ts';
import { createLayerMounts, createSnapshotter, mountedUppers } from '../snapshot/index.ts';
import {
  type Clock,
  type MountState,
  mountState,
  openStore,
  type Store,
  type StoreOperations,
  type StoreOptions,
  storeStalled,
  type UpperStore,
} from '../store/index.ts';
import type { VolumeBacking, VolumeSettings } from '../volume/index.ts';
import { WorkerPool } from '../workers/index.ts';
import type { WorkerOperations } from './operations.ts';

/** From source the worker is a module of this tree, in a build its bundle lies beside ours. */
const WORKER_ENTRY = import.meta.url.endsWith('.ts')
  ? new URL('./worker.ts', import.meta.url)
  : new URL('./worker.mjs', import.meta.url);

export const CLOCK: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};

/** The worker threads of a program, with the operations of its rooms. */
export type ProgramPool = WorkerPool<WorkerOperations>;

/** What every command and every call of one program shares. */
export interface Parts {
  readonly configuration: Configuration;
  readonly limits: Limits;
  readonly pool: ProgramPool;
  readonly userAgent: string;
  readonly resources: ResourceLoader;
  /** Called at named moments, so that crash tests hit them exactly. */
  readonly checkpoint: (name: string) => void;
}

/** Of our mappings; what bears it is ours. */
const MAPPER_NAME = 'sealift-image-store';

/** How the image store's disk is made and found. */
export function volumeSettings({ volume, store }: DaemonConfiguration, limits: Limits): VolumeSettings {
  return {
    integrity: volume.integrity.value,
    required: volume.required.value,
    waitMs: volume.waitMs.value,
    stateDir: join(store.state.value, 'volume'),
    mapperName: MAPPER_NAME,
    memory: { mountPoint: volume.memoryMountPoint.value, size: volume.memorySize.value },
    bootId: readBootId(),
    timeoutMs: limits.volumeTimeoutMs,
  };
}

/**
 * Where the daemon keeps index, names and roots of a store: in guest memory, apart for each mapping, so that no disk is
 * believed for another's.
 */
export function daemonStateDir(state: string, backing: VolumeBacking | undefined): string {
  return join(state, backing?.kind === 'device' ? `store-${backing.mappingUuid}` : 'memory');
}

/** The daemon's store at a backing that its volume has. */
export function daemonBacking({ store, volume }: DaemonConfiguration, backing: VolumeBacking): StoreBacking {
  return {
    dataDir: join(backing.directory, 'store'),
    stateDir: daemonStateDir(store.state.value, backing),
    minFreeBytes: store.minFreeBytes.value,
    layerFormat: store.layerFormat.value,
    verity: store.verity.value,
    trees: backing.kind === 'device' ? 'required' : 'unused',
    allowDirectories: backing.kind === 'memory' || volume.allowDirectoryLayers.value,
  };
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id').toString('utf8').trim();
}

/** Opens the worker threads of a program. `onIdle` is called when the last of them has ended. */
export type OpenPool = (limits: Limits, idleMs: number, onIdle?: () => void) => ProgramPool;

export const openPool: OpenPool = (limits, idleMs, onIdle = () => {}) =>
  new WorkerPool({ entry: WORKER_ENTRY, idleMs, limits, onIdle, ...threadsOfMachine() });

/** With two cores and SHA instructions a third thread for hash trees gains nothing, and costs 17 MB. */
export function threadsOfMachine(): { readonly cores: number; readonly treeThread: boolean } {
  const cores = availableParallelism();
  return { cores, treeThread: cores > 2 || !hasShaInstructions() };
}

export function imagePorts(parts: Parts, findEndpoints: FindEndpoints, onRemark: (remark: string) => void): ImagePorts {
  const { configuration, limits, pool } = parts;
  const platform = configuration.pull.platform.value;
  return {
    openEndpoints: async (reference, signal) =>
      openImageEndpoints(await findEndpoints(reference, signal), {
        openHttp: (transport) => pool.httpClient(transport),
        limits,
        clock: { now: () => performance.now() },
        foreignTransport: configuration.pull.foreignLayerUrls.value ? transportSettings(parts) : undefined,
        onRemark,
      }),
    platform: platform === undefined ? hostPlatform(process.arch) : parsePlatform(platform),
    limits,
  };
}

export interface PullPortsOptions {
  readonly backing: StoreBacking;
  readonly policy: PolicyChoice;
  readonly findEndpoints: FindEndpoints;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly sweepsStore: boolean;
}

export function pullPorts(parts: Parts, options: PullPortsOptions): PullPorts {
  const { policy, onProgress, backing, sweepsStore, findEndpoints } = options;
  return {
    ...imagePorts(parts, findEndpoints, (message) => onProgress({ type: 'warning', message })),
    ...storePorts(parts, backing),
    ...{ policy, onProgress, sweepsStore },
    keys: createKeyLoader({ resources: parts.resources, maxBytes: parts.limits.maxConfigurationBytes }),
    pool: parts.pool,
    checkpoint: parts.checkpoint,
    nowMs: () => performance.now(),
    isPrivileged: isRoot(),
  };
}

type PoolParts = Pick<Parts, 'pool' | 'limits'>;

/** Runs a room's operations on the store's file system. Each is short: one that takes longer means a stalled disk. */
export function runInStore<Room extends keyof WorkerOperations>(
  { pool, limits }: PoolParts,
  room: Room,
): Run<WorkerOperations[Room]> {
  return withOptions(pool.runner(room), { deadline: { ms: limits.storeTimeoutMs, stalled: storeStalled } });
}

/** Emptying the trash takes as long as the disk needs, so it has a lane of its own and no deadline. */
function runStoreIn(parts: PoolParts): Run<StoreOperations> {
  const run = runInStore(parts, 'store');
  const runInBackground = withOptions(parts.pool.runner('store'), { lane: 'background' });
  return (kind, request) => (kind === 'emptyTrash' ? runInBackground(kind, request) : run(kind, request));
}

export function storePorts(parts: Parts, backing: StoreBacking) {
  const runStore = runStoreIn(parts);
  const runSnapshot = runInStore(parts, 'snapshot');
  const runBundle = runInStore(parts, 'bundle');
  const { checkpoint } = parts;
  const layerMounts = (store: MountState) =>
    createLayerMounts({
      runOperation: runSnapshot,
      store,
      mountsDir: store.layerMountsDir,
      tryLock: store.tryMountLock,
      clock: CLOCK,
      lockTimeoutMs: parts.limits.lockTimeoutMs,
      verity: backing.trees,
      allowDirectories: backing.allowDirectories,
    });
  return {
    runSnapshot,
    runBundle,
    openStore: () => openStoreAt(backing, parts, { runStore, sweep: (state) => layerMounts(state).sweep() }),
    openLayerMounts: layerMounts,
    /** Without the store, whose disk may have failed. */
    sweepLayerMounts: () => layerMounts(mountState(backing.stateDir)).sweep(),
    chooseLayerFormat: (dataDir: string) => chooseStoreFormat(backing, runSnapshot, dataDir),
    openSnapshotter: (store: UpperStore & MountState) =>
      createSnapshotter({ runOperation: runSnapshot, store, layerMounts: layerMounts(store), checkpoint }),
  };
}

interface StorePorts {
  readonly runStore: Run<StoreOperations>;
  readonly sweep: StoreOptions['sweepLayerMounts'];
}

async function openStoreAt(backing: StoreBacking, parts: Parts, { runStore, sweep }: StorePorts): Promise<Store> {
  if (!isRoot()) {
    throw new SealiftError('PRIVILEGE_REQUIRED', 'open store: expected root, got an ordinary user');
  }
  const { dataDir, stateDir, minFreeBytes } = backing;
  return openStore({
    ...{ stateDir, minFreeBytes },
    backings: [{ dir: dataDir, writable: true }],
    bootId: readBootId(),
    // Synced for the sake of an index that outlives the machine's crash; one in memory does not.
    durable: !isInMemory(stateDir),
    lockTimeoutMs: parts.limits.lockTimeoutMs,
    clock: CLOCK,
    epochMs: () => Date.now(),
    checkpoint: parts.checkpoint,
    runOperation: runStore,
    findMountedUppers: mountedUppers,
    sweepLayerMounts: sweep,
  });
}

/** Loads the policy that decides on images; undefined: the configuration has none. Throws `POLICY_INVALID`. */
export async function loadPolicy(
  { configuration, resources, limits }: Pick<Parts, 'configuration' | 'resources' | 'limits'>,
  { inline, signal }: { readonly inline?: string | undefined; readonly signal: AbortSignal },
): Promise<PolicyChoice> {
  const { insecurePolicy, policy } = configuration.pull;
  if (inline === undefined && insecurePolicy.value) return 'insecure-accept-anything';
  const uri = inline === undefined ? policy.value : inlineUri(inline);
  if (uri === undefined) return undefined;
  const maxBytes = limits.maxConfigurationBytes;
  return parsePolicy(await loadText(resources, uri, { what: 'policy', maxBytes, code: 'POLICY_INVALID', signal }));
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
