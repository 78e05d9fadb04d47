import { SealiftError } from '../errors/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Removal, StoreSpace } from '../store/index.ts';
import { diffIdKey } from './layer-format.ts';
import type { LayerPlan } from './plan-layers.ts';
import type { PullStorage, StoringContext } from './pull-context.ts';
import type { ProgressEvent } from './types.ts';

/** Layers in the store are about this many times as large as on the wire. */
const TYPICAL_EXPANSION = 3;

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Checks before the first byte that the store has room for the layers it lacks, and returns warnings. Throws
 * `STORE_SPACE_EXHAUSTED` when even their compressed bytes do not fit.
 */
export async function assertSpace(
  layers: readonly LayerPlan[],
  { ports: { onProgress }, storage }: StoringContext,
): Promise<readonly string[]> {
  const { store } = storage;
  const missing = await missingLayers(layers, storage);
  const compressedBytes = missing.reduce((total, { descriptor }) => total + descriptor.size, 0);
  const estimatedBytes = compressedBytes * TYPICAL_EXPANSION;
  const { verdict, availableBytes, removal } = await store.checkSpace({ compressedBytes, estimatedBytes });
  const tight = `the layers may need ${estimatedBytes} bytes, and only ${availableBytes} are free in ${store.dataDir}`;
  const warnings = [evictionWarning(removal), verdict === 'tight' ? tight : undefined].filter(
    (message) => message !== undefined,
  );
  for (const message of warnings) onProgress({ type: 'warning', message });
  return warnings;
}

/** Returns the layers to fetch, each key once. Without a lock: one that another process is publishing may be among them. */
async function missingLayers(
  layers: readonly LayerPlan[],
  { store, layerFormat }: PullStorage,
): Promise<readonly LayerPlan[]> {
  const distinct = [...new Map(layers.map((layer) => [diffIdKey(layerFormat, layer), layer]))];
  const known = await Promise.all(distinct.map(([key]) => store.findLayer(key)));
  return distinct.flatMap(([, layer], position) => (known[position]?.kind === 'published' ? [] : [layer]));
}

/** Returns the sentence that names the images that were removed; undefined if there are none. */
function evictionWarning(removal: Removal | undefined): string | undefined {
  if (removal === undefined || removal.images.length === 0) return undefined;
  return `removed to make room: ${[...removal.names, ...removal.images].join(', ')}`;
}

/**
 * Makes a layer. When the store runs full meanwhile, removes images that are not in use, oldest first, and makes the
 * layer again. Throws `STORE_SPACE_EXHAUSTED` when nothing is left to remove.
 */
export async function makeWithRoom<Made>(
  { size }: Pick<Descriptor, 'size'>,
  { store, onProgress }: { readonly store: StoreSpace; readonly onProgress: (event: ProgressEvent) => void },
  make: () => Promise<Made>,
): Promise<Made> {
  for (;;) {
    try {
      return await make();
    } catch (error) {
      if (!isFull(error)) throw error;
      const message = evictionWarning(await makeRoom(size * TYPICAL_EXPANSION, store, error));
      if (message !== undefined) onProgress({ type: 'warning', message });
    }
  }
}

/** The layer filled all free space, and how much it needs in the end is not known: makes twice that space free. */
async function makeRoom(estimatedBytes: number, store: StoreSpace, cause: unknown): Promise<Removal> {
  const garbage = await store.evictFor(0);
  const eviction = await store.evictFor(Math.max(estimatedBytes, 2 * garbage.availableBytes));
  const removed = [garbage, eviction].flatMap(({ removal }) => [...removal.images, ...removal.layers]);
  if (removed.length > 0) return eviction.removal;
  const { dataDir: path } = store;
  const { availableBytes: actual, sizeBytes: size } = eviction;
  const expected = Math.max(estimatedBytes, actual + 1);
  throw new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `store ${path} is full: needs at least ${expected} bytes, ${actual} free, and no unused image is left to remove`,
    { context: { path, expected, actual, size }, cause },
  );
}

function isFull(error: unknown): boolean {
  return error instanceof SealiftError && FULL.has(error.context['errno']);
}

/** After a pull that ran out of space: removes the layers it had finished, so that other pulls have their space. */
export async function giveBackRoom(error: unknown, { store, lease }: PullStorage): Promise<void> {
  if (!(error instanceof SealiftError) || error.code !== 'STORE_SPACE_EXHAUSTED') return;
  lease.release();
  // The pull's own failure is the one to report.
  await Promise.allSettled([store.prune({ all: false })]);
}
