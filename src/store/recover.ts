import { layerKeyOf } from '../layer-formats/index.ts';
import { claimLayout, directoryInvalid } from './claim-directory.ts';
import { markBoot, readBootId, resetState, tidyState } from './claim-state.ts';
import { listLayerRecords } from './layer-record.ts';
import { isStagingName, isUpperId, STATE_DIRECTORIES, statePath } from './layout.ts';
import { listMountIds, removeMount } from './mount-record.ts';
import { reconcileLayer } from './reconcile-layer.ts';
import { listStagedFacts, removeRecord, stagedFactsPath } from './record-file.ts';
import { type StoreContext, tryLayerLock, tryStagingLock } from './store-context.ts';
import type { DataArea, DataListing } from './types.ts';

/**
 * Recovers with the store's exclusive lock held: what another boot left is moved to the trash, and so is everything that
 * was interrupted.
 */
export async function recoverExclusively(context: StoreContext): Promise<void> {
  const { dataDir } = context;
  const { stateDir, bootId, durable, runOperation, findMountedUppers } = context.options;
  await runOperation('prepareData', { dataDir });
  const listing = await runOperation('listData', { dataDir });
  const lastBoot = readBootId(stateDir);
  const isSameBoot = lastBoot === bootId;
  // A mounted upper belongs to this boot, so a mount under a marker of another boot means that the marker was swapped.
  const mounted: ReadonlySet<string> = isSameBoot ? new Set() : findMountedUppers(listing.uppers.filter(isUpperId));
  // Layers of a durable store were synced before they became visible, so they are kept; mounts ended with their boot.
  const keepsLayers = isSameBoot || (durable && lastBoot !== undefined && lastBoot !== '');
  if (!keepsLayers) {
    if (lastBoot && mounted.size > 0) {
      throw directoryInvalid(stateDir, 'the boot whose containers run', `store.json of boot ${lastBoot}`);
    }
    // Data first: with a new index, a reset that was interrupted would leave layers that look like this boot's.
    for (const area of ['layers', 'staging', 'uppers'] as const) await trashAll(context, area, listing[area]);
    resetState(stateDir, bootId);
  } else {
    tidyState(stateDir);
    if (!isSameBoot) for (const id of listMountIds(stateDir)) if (!mounted.has(id)) removeMount(stateDir, id);
    await trashAll(
      context,
      'layers',
      listing.layers.filter((name) => layerKeyOf(name) === undefined),
    );
    await trashAll(
      context,
      'staging',
      listing.staging.filter((name) => !isStagingName(name)),
    );
    await trashAll(context, 'uppers', unusedUppers(context, listing));
    await recoverUnlocked(context, listing);
    if (!isSameBoot) markBoot(stateDir, bootId);
  }
  if (listing.trash.length > 0) context.trash.start();
}

/** Returns the uppers without a record. A mounted one is excluded: a container uses it although its record is gone. */
function unusedUppers({ options }: StoreContext, { uppers }: DataListing): readonly string[] {
  const recorded = new Set(listMountIds(options.stateDir));
  const unrecorded = uppers.filter((id) => !recorded.has(id));
  const mounted = options.findMountedUppers(unrecorded.filter(isUpperId));
  return unrecorded.filter((id) => !mounted.has(id));
}

/** Recovers beside other processes: removes only what can be locked and so has no owner. */
export async function recoverShared(context: StoreContext): Promise<void> {
  const { dataDir } = context;
  const { stateDir, runOperation } = context.options;
  claimLayout(stateDir, STATE_DIRECTORIES);
  await recoverUnlocked(context, await runOperation('listData', { dataDir }));
}

async function recoverUnlocked(context: StoreContext, listing: DataListing): Promise<void> {
  const { stateDir } = context.options;
  const layersDir = statePath.layers(stateDir);
  for (const name of new Set([...listing.staging, ...listStagedFacts(layersDir)].filter(isStagingName))) {
    const lock = tryStagingLock(stateDir, name);
    if (lock === undefined) continue;
    try {
      removeRecord(stagedFactsPath(layersDir, name));
      await trashAll(context, 'staging', [name]);
    } finally {
      lock.release({ remove: true });
    }
  }
  await reconcileHalves(context, listing);
}

/** Removes layers without a record and records without a layer. */
async function reconcileHalves(context: StoreContext, listing: DataListing): Promise<void> {
  const { stateDir } = context.options;
  const recorded = new Set(listLayerRecords(stateDir));
  const present = new Set(listing.layers.map(layerKeyOf).filter((key) => key !== undefined));
  const halves = [...recorded, ...present].filter((key) => recorded.has(key) !== present.has(key));
  for (const key of halves) {
    const lock = tryLayerLock(stateDir, key);
    if (lock === undefined) continue;
    try {
      await reconcileLayer(context, key);
    } finally {
      lock.release({ remove: true });
    }
  }
}

async function trashAll(context: StoreContext, area: DataArea, names: readonly string[]): Promise<void> {
  const { dataDir } = context;
  const { runOperation } = context.options;
  for (const name of names) {
    if (await runOperation('moveToTrash', { dataDir, area, name })) context.trash.start();
  }
}
