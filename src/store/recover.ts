import { layerKeyOf } from '../layer-formats/index.ts';
import { claimLayout, directoryInvalid } from './claim-directory.ts';
import { markBoot, readBootId, resetState, tidyState } from './claim-state.ts';
import { listLayerRecords } from './layer-record.ts';
import { isStagingName, isUpperId, STATE_DIRECTORIES } from './layout.ts';
import { listMountIds, removeMount } from './mount-record.ts';
import { reconcileLayer } from './reconcile-layer.ts';
import { type StoreContext, tryLayerLock, tryStagingLock } from './store-context.ts';
import type { DataArea, DataListing } from './types.ts';

/** With the store to ourselves: what another boot left is thrown away, and so is all that died half-done. */
export async function recoverExclusively(context: StoreContext): Promise<void> {
  const { dataDir } = context;
  const { stateDir, bootId, durable, runOperation, findMountedUppers } = context.options;
  await runOperation('prepareData', { dataDir });
  const listing = await runOperation('listData', { dataDir });
  const lastBoot = readBootId(stateDir);
  const isSameBoot = lastBoot === bootId;
  // None, unless the marker of this boot was swapped: what is mounted is of this boot.
  const mounted: ReadonlySet<string> = isSameBoot ? new Set() : findMountedUppers(listing.uppers.filter(isUpperId));
  // Layers of a durable store were synced before they were recorded; its mounts ended with their boot all the same.
  const keepsLayers = isSameBoot || (durable && lastBoot !== undefined && lastBoot !== '');
  if (!keepsLayers) {
    if (lastBoot && mounted.size > 0) {
      throw directoryInvalid(stateDir, 'the boot whose containers run', `store.json of boot ${lastBoot}`);
    }
    // Data first: were the index new already, a reset cut short would leave layers that look like ours.
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

/** Without a record. One that is mounted all the same is a container's, whoever took its record away. */
function unusedUppers({ options }: StoreContext, { uppers }: DataListing): readonly string[] {
  const recorded = new Set(listMountIds(options.stateDir));
  const unrecorded = uppers.filter((id) => !recorded.has(id));
  const mounted = options.findMountedUppers(unrecorded.filter(isUpperId));
  return unrecorded.filter((id) => !mounted.has(id));
}

/** Beside living neighbours: only what can be locked, and so has no owner. */
export async function recoverShared(context: StoreContext): Promise<void> {
  const { dataDir } = context;
  const { stateDir, runOperation } = context.options;
  claimLayout(stateDir, STATE_DIRECTORIES);
  await recoverUnlocked(context, await runOperation('listData', { dataDir }));
}

async function recoverUnlocked(context: StoreContext, listing: DataListing): Promise<void> {
  const { stateDir } = context.options;
  for (const name of listing.staging.filter(isStagingName)) {
    const lock = tryStagingLock(stateDir, name);
    if (lock === undefined) continue;
    try {
      await trashAll(context, 'staging', [name]);
    } finally {
      lock.release({ remove: true });
    }
  }
  await reconcileHalves(context, listing);
}

/** Layers without a record and records without a layer. */
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
