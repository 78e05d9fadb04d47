import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  assertTransportAllowed,
  type Configuration,
  type DaemonConfiguration,
  type LayerFormatChoice,
  loadTextFile,
  type VerityMode,
} from '../config/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { TransportSettings } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import {
  formatReference,
  formatRepositoryName,
  hostPlatform,
  isFileReference,
  parsePlatform,
  type Reference,
} from '../oci/index.ts';
import type { RoomOperation } from '../operations/index.ts';
import { hasShaInstructions, isInMemory } from '../platform/index.ts';
import type { ImagePorts, LayerFormat, ProgressEvent, PullPorts, RunBundleOperation } from '../pull/index.ts';
import {
  type CredentialSource,
  type Credentials,
  createImageSupply,
  createRegistrySource,
  credentialSourceFor,
  fallBackAnonymously,
  type LookUpCredentials,
  type MirrorApi,
  parseAuthFile,
  type RepositoryName,
  type SupplyEndpoint,
} from '../registry/index.ts';
import { type AuthorizedImage, type PolicyChoice, parsePolicy } from '../signature/index.ts';
import {
  chooseLayerFormat,
  createLayerMounts,
  createSnapshotter,
  mountedUppers,
  type RunSnapshotOperation,
} from '../snapshot/index.ts';
import {
  type Clock,
  type MountShelf,
  mountShelf,
  openStore,
  type RunStoreOperation,
  type Store,
  type StoreOptions,
} from '../store/index.ts';
import type { RunVolumeOperation, StorePlace as VolumePlace, VolumeSettings } from '../volume/index.ts';
import { WorkerPool } from '../workers/index.ts';

/** From source the worker is a module of this tree, in a build its bundle lies beside ours. */
const WORKER_ENTRY = import.meta.url.endsWith('.ts')
  ? new URL('./worker.ts', import.meta.url)
  : new URL('./worker.mjs', import.meta.url);

export const CLOCK: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};

/** What every command and every call of one program shares. */
export interface Parts {
  readonly configuration: Configuration;
  readonly limits: Limits;
  readonly pool: WorkerPool;
  readonly userAgent: string;
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

export function runVolumeIn(pool: WorkerPool): RunVolumeOperation {
  return ((kind, request, timeoutMs) =>
    pool.call({ room: 'volume', operation: { kind, request } }, { timeoutMs })) as RunVolumeOperation;
}

/**
 * Where the daemon keeps index, names and roots of a store: in guest memory, apart for each mapping, so that no disk is
 * believed for another's.
 */
export function daemonStateDir(state: string, place: VolumePlace | undefined): string {
  return join(state, place?.kind === 'device' ? `store-${place.mappingUuid}` : 'memory');
}

/** The daemon's store at a place of its volume. */
export function daemonPlace({ store, volume }: DaemonConfiguration, place: VolumePlace): StorePlace {
  return {
    dataDir: join(place.directory, 'store'),
    stateDir: daemonStateDir(store.state.value, place),
    minFreeBytes: store.minFreeBytes.value,
    layerFormat: store.layerFormat.value,
    verity: store.verity.value,
    trees: place.kind === 'device' ? 'required' : 'unused',
    allowDirectories: place.kind === 'memory' || volume.allowDirectoryLayers.value,
  };
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id').toString('utf8').trim();
}

/** Where a store lies, and how far its disk can be trusted. */
export interface StorePlace {
  readonly dataDir: string;
  readonly stateDir: string;
  readonly minFreeBytes: number;
  readonly layerFormat: LayerFormatChoice;
  /** Whether trees are written behind images; where they are required, they always are. */
  readonly verity: VerityMode;
  /** `required`: the host can change what lies there. */
  readonly trees: 'required' | 'unused';
  readonly allowDirectories: boolean;
}

/** With two cores and SHA instructions a third thread for hash trees gains nothing, and costs 17 MB. */
export function openPool(limits: Limits, idleMs: number, onIdle = (): void => {}): WorkerPool {
  const cores = availableParallelism();
  const treeThread = cores > 2 || !hasShaInstructions();
  return new WorkerPool({ entry: WORKER_ENTRY, cores, idleMs, limits, treeThread, onIdle });
}

/** How one place that an image may come from is spoken to. */
export interface EndpointAccess {
  /** Its name there, which only leads to bytes. */
  readonly reference: Reference;
  readonly mirrorApi: MirrorApi | undefined;
  readonly transport: TransportSettings;
  readonly allowHttp: boolean;
  readonly credentials: Credentials | LookUpCredentials | undefined;
  /** Where these are refused, it is asked without any. */
  readonly anonymousFallback?: boolean;
  /** What its user ought to know. */
  readonly remark?: string | undefined;
  /** With the transport of this place, whose class decides what may come over it. */
  readonly configuration: Configuration;
}

/** The places of an image in the order of asking. Throws `REGISTRY_BLOCKED`. */
export type EndpointsOf = (reference: Reference) => readonly EndpointAccess[];

interface EndpointUse {
  /** Somebody else is asked if this one fails. */
  readonly hasAlternative: boolean;
  readonly onRemark: (remark: string) => void;
}

function openEndpoint({ pool, limits }: Parts, endpoint: EndpointAccess, use: EndpointUse): SupplyEndpoint {
  const { reference, transport, allowHttp, mirrorApi, anonymousFallback = false } = endpoint;
  const { hasAlternative, onRemark } = use;
  const http = pool.httpClient(transport);
  const name = formatRepositoryName(reference);
  const sourceWith = (credentials: EndpointAccess['credentials']) =>
    createRegistrySource({
      ...{ reference, http, credentials, allowHttp, hasAlternative, mirrorApi, limits },
      clock: { now: () => performance.now() },
    });
  const source = sourceWith(endpoint.credentials);
  if (!anonymousFallback || endpoint.credentials === undefined) return { name, source, transport };
  const remark = `${name}: the credentials for it were refused, asked without any`;
  return { name, transport, source: fallBackAnonymously(source, sourceWith(undefined), () => onRemark(remark)) };
}

export function imagePorts(parts: Parts, endpointsOf: EndpointsOf, onRemark: (remark: string) => void): ImagePorts {
  const { configuration, limits } = parts;
  const platform = configuration.pull.platform.value;
  return {
    openSource: (reference) => {
      const endpoints = endpointsOf(reference);
      for (const { remark } of endpoints) if (remark !== undefined) onRemark(remark);
      const places = endpoints.map((each, index) =>
        openEndpoint(parts, each, { hasAlternative: index + 1 < endpoints.length, onRemark }),
      );
      const foreignTransport = configuration.pull.foreignLayerUrls.value ? transportSettings(parts) : undefined;
      return createImageSupply(places, { limits, onRemark, foreignTransport });
    },
    platform: platform === undefined ? hostPlatform(process.arch) : parsePlatform(platform),
    limits,
  };
}

export interface PullPortsOptions {
  readonly place: StorePlace;
  readonly policy: PolicyChoice;
  readonly endpointsOf: EndpointsOf;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly sweepsStore: boolean;
}

export function pullPorts(parts: Parts, options: PullPortsOptions): PullPorts {
  const { policy, onProgress, place, sweepsStore } = options;
  const endpointsOf = rememberLast(options.endpointsOf);
  return {
    ...imagePorts(parts, endpointsOf, (message) => onProgress({ type: 'warning', message })),
    ...storePorts(parts, place),
    ...{ policy, onProgress, sweepsStore },
    assertTransport: (image) => {
      // Nothing of an image in files comes over a network.
      if (isFileReference(image.reference)) return;
      for (const { configuration } of endpointsOf(image.reference)) {
        assertTransportAllowed(configuration, proofOf(image));
      }
    },
    pool: parts.pool,
    checkpoint: parts.checkpoint,
    nowMs: () => performance.now(),
    isPrivileged: isRoot(),
  };
}

/** Files are read once for a pull. */
function rememberLast(endpointsOf: EndpointsOf): EndpointsOf {
  let last: { readonly name: string; readonly endpoints: readonly EndpointAccess[] } | undefined;
  return (reference) => {
    const name = formatReference(reference);
    if (last?.name !== name) last = { name, endpoints: endpointsOf(reference) };
    return last.endpoints;
  };
}

/** Deleting takes as long as it takes, beside all else; everything else is short, or the disk does not answer. */
export function callIn({
  pool,
  limits,
}: Pick<Parts, 'pool' | 'limits'>): (operation: RoomOperation) => Promise<unknown> {
  return (operation) =>
    operation.room === 'store' && operation.operation.kind === 'emptyTrash'
      ? pool.call(operation, { lane: 'background' })
      : pool.call(operation, { timeoutMs: limits.storeTimeoutMs });
}

export function runSnapshotIn(parts: Pick<Parts, 'pool' | 'limits'>): RunSnapshotOperation {
  const call = callIn(parts);
  return ((kind, request) => call({ room: 'snapshot', operation: { kind, request } as never })) as RunSnapshotOperation;
}

export function storePorts(parts: Parts, place: StorePlace) {
  const call = callIn(parts);
  const runStore = ((kind, request) =>
    call({ room: 'store', operation: { kind, request } as never })) as RunStoreOperation;
  const runSnapshot = runSnapshotIn(parts);
  const runBundle = ((operation) => call({ room: 'bundle', operation })) as RunBundleOperation;
  const { checkpoint } = parts;
  const layerMounts = (shelf: MountShelf) =>
    createLayerMounts({
      runOperation: runSnapshot,
      shelf,
      mountsDir: shelf.layerMountsDir,
      tryLock: shelf.tryMountLock,
      clock: CLOCK,
      lockTimeoutMs: parts.limits.lockTimeoutMs,
      verity: place.trees,
      allowDirectories: place.allowDirectories,
    });
  return {
    runSnapshot,
    runBundle,
    openStore: () => openStoreAt(place, parts, { runStore, sweep: (shelf) => layerMounts(shelf).sweep() }),
    openLayerMounts: layerMounts,
    /** Without the store, whose disk may have failed. */
    sweepLayerMounts: () => layerMounts(mountShelf(place.stateDir)).sweep(),
    chooseLayerFormat: (dataDir: string) => chooseFormat(place, runSnapshot, dataDir),
    openSnapshotter: (shelf: Store) =>
      createSnapshotter({ runOperation: runSnapshot, shelf, layerMounts: layerMounts(shelf), checkpoint }),
  };
}

/** Where the host can change layers, they are images with a tree; otherwise a tree is written when it is asked for. */
async function chooseFormat(
  { layerFormat, verity, trees, allowDirectories }: StorePlace,
  runSnapshot: RunSnapshotOperation,
  directory: string,
): Promise<LayerFormat> {
  const needsTrees = trees === 'required' && !allowDirectories;
  if (layerFormat === 'directory' && !needsTrees) return { format: 'directory', verity: false };
  const probe = await runSnapshot('probeLayerFormats', { directory });
  const { format } = chooseLayerFormat(probe, needsTrees ? 'erofs' : layerFormat);
  return { format, verity: format === 'erofs' && (trees === 'required' || verity === 'always') };
}

interface StorePorts {
  readonly runStore: RunStoreOperation;
  readonly sweep: StoreOptions['sweepLayerMounts'];
}

async function openStoreAt(place: StorePlace, parts: Parts, { runStore, sweep }: StorePorts): Promise<Store> {
  if (!isRoot()) {
    throw new SealiftError('PRIVILEGE_REQUIRED', 'open store: expected root, got an ordinary user');
  }
  const { dataDir, stateDir, minFreeBytes } = place;
  return openStore({
    ...{ stateDir, dataDir, minFreeBytes },
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

export function transportSettings({ configuration, userAgent }: Parts): TransportSettings {
  const { tlsVerify, extraRootCertificates, proxy } = configuration.pull;
  return {
    tlsVerify: tlsVerify.value,
    extraRoots: extraRootCertificates.value,
    userAgent,
    proxy: { https: proxy.https.value, http: proxy.http.value, noProxy: proxy.noProxy.value },
  };
}

/** A signature cannot be verified yet, so that a policy's word alone is no proof of the bytes. */
function proofOf(image: AuthorizedImage): 'digest' | 'none' {
  return image.reference.digest === undefined ? 'none' : 'digest';
}

export function loadPolicy({ pull }: Configuration, limits: Limits): PolicyChoice {
  if (pull.insecurePolicy.value) return 'insecure-accept-anything';
  const path = pull.policy.value;
  if (path === undefined) return undefined;
  const maxBytes = limits.maxConfigurationBytes;
  return parsePolicy(loadTextFile({ path, what: 'policy', maxBytes, code: 'POLICY_INVALID' }));
}

/** What these files say of a repository, in their order, up to credentials that need nobody else. */
export function findCredentialSources(
  name: RepositoryName,
  paths: readonly string[],
  { maxConfigurationBytes: maxBytes }: Limits,
): readonly CredentialSource[] {
  const sources: CredentialSource[] = [];
  for (const path of paths) {
    const text = loadTextFile({ path, what: 'credentials', maxBytes, code: 'AUTHFILE_INVALID' });
    const source = credentialSourceFor(parseAuthFile(text), name);
    if (source !== undefined) sources.push(source);
    if (source?.kind === 'known') break;
  }
  return sources;
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
