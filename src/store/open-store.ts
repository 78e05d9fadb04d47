import { SealiftError } from '../errors/index.ts';
import type { LayerKey } from '../layer-formats/index.ts';
import { checkSpace, sharesFileSystem } from './check-space.ts';
import { getDocument, putDocument } from './documents.ts';
import { enterStore } from './enter-store.ts';
import { evictFor, removeUnused } from './evict.ts';
import { putImage } from './image-record.ts';
import { writePlainRecord } from './layer-record.ts';
import { openLease } from './lease.ts';
import { listImages } from './list-images.ts';
import { createLayerLocator } from './locate-layer.ts';
import { putMount, removeMount } from './mount-record.ts';
import { putName } from './names.ts';
import { prune } from './prune.ts';
import { findLayer, reconcileLayer } from './reconcile-layer.ts';
import { removeNamedImages } from './remove-images.ts';
import { readSignatures, writeSignatures } from './signature-record.ts';
import { createSingleFlight } from './single-flight.ts';
import { stageLayer } from './stage-layer.ts';
import { mountState, type StoreContext, tryLayerLock } from './store-context.ts';
import { readIndex } from './store-index.ts';
import { createTrashCollector } from './trash-collector.ts';
import type {
  DocumentStore,
  ImageIndex,
  KnownLayer,
  LayerBacking,
  LayerRecord,
  LayerStore,
  SignatureStore,
  Store,
  StoreOptions,
  StoreSpace,
  UpperStore,
} from './types.ts';
import { createUpper, settleUpper, sweepUppers, trashUpper } from './uppers.ts';

/**
 * Opens or creates the store, recovers what crashes left, and holds its lock shared until `close`. Throws
 * `STORE_INVALID` for directories that are not a store's and `STORE_LOCK_TIMEOUT` while another process recovers.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { backings, runOperation } = options;
  const dataDir = writableDir(backings);
  const readOnly = backings.filter(({ writable }) => !writable);
  const context: StoreContext = {
    options,
    dataDir,
    trash: createTrashCollector(runOperation, dataDir),
    locate: createLayerLocator(runOperation, backings),
    locateReadOnly: createLayerLocator(runOperation, readOnly),
    stagings: { count: 0 },
    uppers: new Map(),
    leases: new Set(),
  };
  for (const { dir } of readOnly) await runOperation('checkReadOnlyData', { dataDir: dir });
  const lock = await enterStore(context);
  options.checkpoint('store-opened');
  return {
    ...layersOf(context),
    ...documentsOf(context),
    ...signaturesOf(context),
    ...imagesOf(context),
    ...uppersOf(context),
    ...mountState(options.stateDir),
    ...spaceOf(context),
    openLease: () => openLease(context),
    close: async () => {
      for (const lease of context.leases) lease.release();
      for (const id of [...context.uppers.keys()]) settleUpper(context, id);
      await context.trash.idle();
      lock.release();
    },
  };
}

function writableDir(backings: readonly LayerBacking[]): string {
  const [backing, ...others] = backings.filter(({ writable }) => writable);
  if (backing !== undefined && others.length === 0) return backing.dir;
  const count = backings.filter(({ writable }) => writable).length;
  throw new SealiftError('INTERNAL', `open store: expected one writable backing, got ${count}`);
}

function layersOf(context: StoreContext): LayerStore {
  const { stateDir, clock, lockTimeoutMs } = context.options;
  const flight = createSingleFlight<LayerKey, KnownLayer>({
    find: (key) => findLayer(context, key),
    findLocked: (key) => reconcileLayer(context, key),
    tryLock: (key) => tryLayerLock(stateDir, key),
    clock,
    lockTimeoutMs,
  });
  return {
    findLayer: (key) => findLayer(context, key),
    withLayer: flight.run,
    stageLayer: (key, diffId) => stageLayer(context, { key, diffId, isMaking: () => flight.isMaking(key) }),
    rememberNeedsChain: (key, diffId, facts) => {
      if (!flight.isMaking(key)) {
        throw new SealiftError(
          'INTERNAL',
          `remember layer ${key}: expected the caller to hold its lock, but it does not`,
        );
      }
      const record: LayerRecord = { key, diffId, state: 'needs-chain', facts, diskBytes: 0 };
      writePlainRecord(stateDir, record);
      return { kind: 'needs-chain', record };
    },
  };
}

function documentsOf({ options: { stateDir } }: StoreContext): DocumentStore {
  return {
    putManifest: (digest, bytes) => putDocument(stateDir, { kind: 'manifests', digest }, bytes),
    getManifest: (digest) => getDocument(stateDir, { kind: 'manifests', digest }),
    putConfig: (digest, bytes) => putDocument(stateDir, { kind: 'configs', digest }, bytes),
    getConfig: (digest) => getDocument(stateDir, { kind: 'configs', digest }),
  };
}

function signaturesOf({ options }: StoreContext): SignatureStore {
  return {
    getSignatures: (image) => readSignatures(options, image),
    putSignatures: (image, signatures) => writeSignatures(options, image, signatures),
  };
}

function imagesOf(context: StoreContext): ImageIndex {
  const { stateDir, epochMs, findMountedUppers } = context.options;
  return {
    putName: (reference, digest, via = []) => putName(stateDir, { reference, digest, via }),
    putImage: (image) => putImage(stateDir, { ...image, pulledAt: new Date(epochMs()).toISOString() }),
    listImages: () => {
      const index = readIndex(stateDir);
      const mounted = findMountedUppers(index.mounts.map(({ id }) => id));
      return listImages({ ...index, mounts: index.mounts.filter(({ id }) => mounted.has(id)) });
    },
    removeImages: (targets, signal) => removeNamedImages(context, targets, signal),
    prune: (options) => prune(context, options),
  };
}

function uppersOf(context: StoreContext): UpperStore {
  const { stateDir } = context.options;
  return {
    createUpper: () => createUpper(context),
    settleUpper: (id) => settleUpper(context, id),
    trashUpper: async (id) => void (await trashUpper(context, id)),
    putMount: (record) => putMount(stateDir, record),
    removeMount: (id) => removeMount(stateDir, id),
    sweepUppers: () => sweepUppers(context),
  };
}

function spaceOf(context: StoreContext): StoreSpace {
  return {
    dataDir: context.dataDir,
    checkSpace: (need, signal) => checkSpace(context, need, signal),
    evictFor: (need, signal) => evictFor(context, need, signal),
    sharesFileSystem: () => sharesFileSystem(context),
    removeUnused: (among, signal) => removeUnused(context, among, signal),
  };
}
