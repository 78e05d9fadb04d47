import { randomBytes } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';
import { getDocument, putDocument } from './documents.ts';
import { enterStore } from './enter-store.ts';
import { writeLayerRecord } from './layer-record.ts';
import { assertUpperId, listMounts, putMount, removeMount } from './mount-record.ts';
import { getName, putName } from './names.ts';
import { findLayer, reconcileLayer } from './reconcile-layer.ts';
import { createSingleFlight } from './single-flight.ts';
import { stageLayer } from './stage-layer.ts';
import { type StoreContext, tryLayerLock } from './store-context.ts';
import { createTrashCollector } from './trash-collector.ts';
import type { KnownLayer, LayerKey, LayerRecord, SpaceNeed, SpaceReport, Store, StoreOptions } from './types.ts';

/**
 * Opens or makes the store, recovers what crashes left, and holds its lock shared until `close`. Throws
 * `STORE_INVALID` for directories that are not ours and `STORE_LOCK_TIMEOUT` while another process recovers.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { stateDir, dataDir, runOperation } = options;
  const context = { options, trash: createTrashCollector(runOperation, dataDir), stagings: { count: 0 } };
  const lock = await enterStore(context);
  options.checkpoint('store-opened');
  return {
    dataDir,
    ...layersOf(context),
    putManifest: (digest, bytes) => putDocument(stateDir, 'manifests', digest, bytes),
    getManifest: (digest) => getDocument(stateDir, 'manifests', digest),
    putConfig: (digest, bytes) => putDocument(stateDir, 'configs', digest, bytes),
    getConfig: (digest) => getDocument(stateDir, 'configs', digest),
    putName: (reference, digest) => putName(stateDir, reference, digest),
    getName: (reference) => getName(stateDir, reference),
    ...uppersOf(context),
    putMount: (record) => putMount(stateDir, record),
    listMounts: () => listMounts(stateDir),
    removeMount: (id) => removeMount(stateDir, id),
    checkSpace: (need) => checkSpace(context, need),
    close: async () => {
      await context.trash.idle();
      lock.release();
    },
  };
}

function layersOf(context: StoreContext): Pick<Store, 'findLayer' | 'withLayer' | 'stageLayer' | 'rememberNeedsChain'> {
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
        throw new SealiftError('INTERNAL', `remember layer ${key}: expected its lock to be held, but it is not`);
      }
      const record: LayerRecord = { key, diffId, state: 'needs-chain', facts };
      writeLayerRecord(stateDir, record);
      return { kind: 'needs-chain', record };
    },
  };
}

function uppersOf(context: StoreContext): Pick<Store, 'createUpper' | 'trashUpper'> {
  const { dataDir, runOperation } = context.options;
  return {
    createUpper: () => runOperation('makeUpper', { dataDir, id: randomBytes(16).toString('hex') }),
    trashUpper: async (id) => {
      const isMoved = await runOperation('moveToTrash', { dataDir, area: 'uppers', name: assertUpperId(id) });
      if (isMoved) context.trash.start();
    },
  };
}

async function checkSpace({ options }: StoreContext, need: SpaceNeed): Promise<SpaceReport> {
  const { dataDir, runOperation } = options;
  const report = await runOperation('measureSpace', { dataDir, need });
  if (report.verdict !== 'exhausted') return report;
  const { compressedBytes: expected } = need;
  throw new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `check space in ${dataDir}: expected at least ${expected} free bytes, got ${report.availableBytes}`,
    { context: { path: dataDir, expected, actual: report.availableBytes } },
  );
}
