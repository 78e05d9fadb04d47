import { assertNever } from '../errors/index.ts';
import type { LayerKey } from '../layer-formats/index.ts';
import { findNeeded, oldestUnmounted } from './find-needed.ts';
import { emptyTrash, isUnmounted, removeGarbage, removeImages, underPruneLock } from './prune.ts';
import { isReadOnly } from './reconcile-layer.ts';
import { createTally } from './removal-tally.ts';
import { removeUnneeded } from './remove-unneeded.ts';
import { type StoreContext, tryUseLock } from './store-context.ts';
import { readIndex, type StoreIndex } from './store-index.ts';
import type { Eviction, EvictionNeed, ImageRecord, Removal, SpaceFacts } from './types.ts';

/** A file system frees a little more than the blocks of a layer. */
const MARGIN = 9 / 8;

/** See {@link StoreSpace.evictFor}. Layers of running pulls are held by their leases, those of the caller included. */
export function evictFor(context: StoreContext, need: EvictionNeed, signal?: AbortSignal): Promise<Eviction> {
  const work = async (quiet: StoreContext): Promise<Eviction> => {
    const tally = createTally();
    await removeGarbage(quiet, tally);
    let space = await measure(quiet);
    const index = readIndex(context.options.stateDir);
    const { certainBytes = 0 } = need;
    if (certainBytes > space.availableBytes) {
      const attainableBytes = await attainable(quiet, index, space);
      const isHopeless = certainBytes > attainableBytes;
      if (isHopeless) return { removal: tally, ...space, attainableBytes: Math.min(space.sizeBytes, attainableBytes) };
    }
    for (const image of oldestUnmounted(index)) {
      if (isMet(need, space, tally)) break;
      if (!(await givesRoom(quiet, image, index))) continue;
      removeImages(quiet, { digests: [image.manifestDigest], mayGo: isUnmounted }, tally);
      await removeUnneeded(quiet, tally);
      await emptyTrash(quiet, tally);
      space = await measure(quiet);
    }
    return { removal: tally, ...space, attainableBytes: space.availableBytes };
  };
  return underPruneLock(context, work, signal);
}

/** See {@link StoreSpace.removeUnused}. */
export function removeUnused(
  context: StoreContext,
  among: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Removal> {
  const work = async (quiet: StoreContext): Promise<Removal> => {
    const tally = createTally();
    await removeUnneeded(quiet, tally, among);
    await emptyTrash(quiet, tally);
    return tally;
  };
  return underPruneLock(context, work, signal);
}

/** A file system whose inodes are not counted never lacks any. */
function isMet(
  { resource, amount }: EvictionNeed,
  { availableBytes, freeInodes }: SpaceFacts,
  tally: Removal,
): boolean {
  switch (resource) {
    case 'bytes':
      return availableBytes >= amount;
    case 'inodes':
      return freeInodes === undefined || freeInodes >= amount;
    case 'quota':
      return tally.freedBytes >= amount;
    default:
      return assertNever(resource, 'resource');
  }
}

function measure({ dataDir, options: { runOperation } }: StoreContext): Promise<SpaceFacts> {
  return runOperation('measureSpace', { dataDir });
}

/**
 * True if the image has a layer in the writable backing that neither a mount nor a pull holds. Two images that share it
 * may have to go.
 */
async function givesRoom(context: StoreContext, image: ImageRecord, index: StoreIndex): Promise<boolean> {
  return (await removableKeys(context, image.layerKeys, index)).length > 0;
}

/** Returns about how many bytes would be free without the layers that neither a mount nor a pull holds. */
async function attainable(context: StoreContext, index: StoreIndex, { availableBytes }: SpaceFacts): Promise<number> {
  const keys = index.layers.map(({ key }) => key);
  const removable = new Set(await removableKeys(context, keys, index));
  const bytes = index.layers.reduce((total, { key, diskBytes }) => total + (removable.has(key) ? diskBytes : 0), 0);
  return availableBytes + Math.ceil(bytes * MARGIN);
}

/** Returns those of the layers in the writable backing that neither a mount nor a pull holds. */
async function removableKeys(
  context: StoreContext,
  keys: readonly LayerKey[],
  index: StoreIndex,
): Promise<readonly LayerKey[]> {
  const mounted = new Set(index.mounts.map(({ imageDigest }) => imageDigest));
  const images = index.images.filter(({ manifestDigest }) => mounted.has(manifestDigest));
  const { layers } = findNeeded({ ...index, images });
  const unused = keys.filter((key) => !layers.has(key) && isUnused(context.options.stateDir, key));
  const readOnly = await Promise.all(unused.map((key) => isReadOnly(context, key)));
  return unused.filter((_, position) => readOnly[position] === false);
}

function isUnused(stateDir: string, key: LayerKey): boolean {
  const lock = tryUseLock(stateDir, key, 'exclusive');
  lock?.release({ remove: true });
  return lock !== undefined;
}
