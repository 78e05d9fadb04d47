import { SealiftError } from '../errors/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Eviction, EvictionNeed, Lease, Removal, SpaceFacts, StoreSpace } from '../store/index.ts';
import { LARGER_STORE_HINT } from '../store/index.ts';
import { diffIdKey } from './layer-format.ts';
import type { LayerPlan } from './plan-layers.ts';
import type { PullStorage, StoringContext } from './pull-context.ts';
import type { ProgressEvent } from './types.ts';

/** Layers in the store are about this many times as large as on the wire. */
const TYPICAL_EXPANSION = 3;

/** An estimate may be too small. */
const MARGIN = 9 / 8;

/** From this share of a blob on, the rest is known well enough to refuse a layer for it. */
const LEAST_SHARE = 1 / 4;

/** The part of an estimate that counts as certain. */
const CERTAINTY = 3 / 4;

/** A staged layer has a directory and an image, its record a file and some locks. */
const LEAST_INODES = 8;

/** Why a write into the store's data fails that succeeds when there is more room. */
const RESOURCES: readonly Resource[] = ['bytes', 'inodes', 'quota'];
type Resource = EvictionNeed['resource'];

/**
 * Checks before the first byte that the store has room for the layers it lacks, and returns warnings. Throws
 * `STORE_SPACE_EXHAUSTED` when even their compressed bytes do not fit.
 */
export async function assertSpace(
  layers: readonly LayerPlan[],
  { ports: { onProgress }, storage, signal }: StoringContext,
): Promise<readonly string[]> {
  const { store } = storage;
  const missing = await missingLayers(layers, storage);
  const compressedBytes = missing.reduce((total, { descriptor }) => total + descriptor.size, 0);
  const estimatedBytes = compressedBytes * TYPICAL_EXPANSION;
  const { verdict, availableBytes, removal } = await store.checkSpace({ compressedBytes, estimatedBytes }, signal);
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
function evictionWarning(...removals: readonly (Removal | undefined)[]): string | undefined {
  const names = removals.flatMap((removal) => removal?.names ?? []);
  const images = removals.flatMap((removal) => removal?.images ?? []);
  return images.length === 0 ? undefined : `removed to make room: ${[...names, ...images].join(', ')}`;
}

export interface RoomContext {
  readonly store: Pick<StoreSpace, 'dataDir' | 'evictFor' | 'sharesFileSystem'>;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly signal: AbortSignal;
}

/** Something that is written into the store, as far as it says how much room it needs. */
export interface Making {
  /** What is written, as words of a message. */
  readonly what: 'layer' | 'record';
  readonly descriptor: Pick<Descriptor, 'size'>;
  /** How many bytes of the blob had arrived when the last attempt failed. */
  readonly fetchedBytes: () => number;
}

/**
 * Makes a layer or a record. When the store's data runs full meanwhile, removes images that are not in use, oldest first,
 * and makes it again. Throws `STORE_SPACE_EXHAUSTED` when nothing is left to remove.
 */
export async function makeWithRoom<Made>(
  making: Making,
  { store, onProgress, signal }: RoomContext,
  make: () => Promise<Made>,
): Promise<Made> {
  for (;;) {
    try {
      return await make();
    } catch (error) {
      const resource = await lackingInData(error, store);
      if (resource === undefined) throw error;
      const { warning, refusal } = await makeRoom(making, { store, resource, signal, cause: error });
      if (warning !== undefined) onProgress({ type: 'warning', message: warning });
      if (refusal !== undefined) throw refusal;
    }
  }
}

/** About what the documents and records of an image need; the room of a blob whose size is not known. */
const RECORD: Making = { what: 'record', descriptor: { size: 128 * 1024 }, fetchedBytes: () => 0 };

/** Writes documents or records of an image. Where they share the file system of the data, images make room for them. */
export async function recordWithRoom(
  { ports: { onProgress }, storage: { store }, signal }: StoringContext,
  write: () => void,
): Promise<void> {
  await makeWithRoom(RECORD, { store, onProgress, signal }, async () => write());
}

interface Shortage extends Pick<RoomContext, 'store' | 'signal'> {
  readonly resource: Resource;
  readonly cause: unknown;
}

/** Removes what is not needed, and then images until there should be room. `refusal`: there was nothing to remove. */
async function makeRoom(
  making: Making,
  { store, resource, signal, cause }: Shortage,
): Promise<{ readonly warning: string | undefined; readonly refusal?: SealiftError }> {
  // Also deletes the part of a layer that was written, so that the space is measured without it.
  const garbage = await store.evictFor({ resource, amount: 0 }, signal);
  const amount = roomFor(making, resource, garbage);
  const certain = resource === 'bytes' ? { certainBytes: certainNeed(making, garbage) } : {};
  const eviction = await store.evictFor({ resource, amount, ...certain }, signal);
  const warning = evictionWarning(garbage.removal, eviction.removal);
  const removed = [garbage, eviction].flatMap(({ removal }) => [...removal.images, ...removal.layers]);
  if (removed.length > 0) return { warning };
  return { warning, refusal: spaceExhausted(eviction, { what: making.what, store, resource, amount, cause }) };
}

/**
 * Estimates how much of the resource the layer needs, which had filled all that was left. As far as its blob had
 * arrived, the rest is taken to need as much as what there was; otherwise the room is doubled.
 */
function roomFor({ descriptor: { size }, fetchedBytes }: Making, resource: Resource, had: SpaceFacts): number {
  if (resource === 'quota') return size * TYPICAL_EXPANSION;
  const filled = resource === 'bytes' ? had.availableBytes : (had.freeInodes ?? 0);
  const share = Math.min(1, fetchedBytes() / size);
  // What had nothing left says nothing of the need.
  const least = resource === 'bytes' ? size : LEAST_INODES;
  if (share > 0) return Math.max(least, Math.ceil((filled / share) * MARGIN));
  return resource === 'bytes' ? Math.max(size * TYPICAL_EXPANSION, 2 * filled) : Math.max(least, 2 * filled);
}

/** Returns a number of bytes that is surely too small: what there was, or most of what the part that came needed. */
function certainNeed({ descriptor: { size }, fetchedBytes }: Making, { availableBytes }: SpaceFacts): number {
  const share = Math.min(1, fetchedBytes() / size);
  return share < LEAST_SHARE ? availableBytes : Math.max(availableBytes, (availableBytes / share) * CERTAINTY);
}

interface Refusal extends Omit<Shortage, 'signal'>, Pick<Making, 'what'> {
  readonly amount: number;
}

function spaceExhausted(
  { availableBytes: actual, sizeBytes: size, freeInodes, attainableBytes }: Eviction,
  { what, store: { dataDir: path }, resource, amount, cause }: Refusal,
): SealiftError {
  const had = { bytes: `${actual} bytes`, inodes: `${freeInodes} inodes`, quota: 'quota' }[resource];
  // Only a number of bytes says by how much the store has to grow.
  const figures =
    resource === 'bytes'
      ? { expected: actual, actual, size, likely: amount }
      : { actual, freeInodes: freeInodes ?? 'unknown' };
  const isHopeless = resource === 'bytes' && attainableBytes > actual;
  const why = isHopeless
    ? `about ${amount} bytes, and without unused images it has at most ${attainableBytes}`
    : `more than the ${had} that it had, and no unused image is left to remove`;
  const wanted = `; it has ${size} bytes and would have to have about ${size - attainableBytes + amount}`;
  return new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `store ${path} is full: the ${what} needs ${why}${resource === 'bytes' ? wanted : ''}`,
    { hint: LARGER_STORE_HINT, context: { path, fileSystem: 'data', resource, ...figures }, cause },
  );
}

/**
 * Returns what the store's data has run out of; undefined for any other failure, also that of a full state directory on
 * a file system of its own.
 */
async function lackingInData(error: unknown, store: RoomContext['store']): Promise<Resource | undefined> {
  if (!(error instanceof SealiftError)) return undefined;
  const { fileSystem, resource } = error.context;
  const lacking = RESOURCES.find((each) => each === resource);
  if (lacking === undefined) return undefined;
  if (fileSystem === 'data' || error.code === 'UNPACK_WRITE_FAILED') return lacking;
  return fileSystem === 'state' && (await store.sharesFileSystem()) ? lacking : undefined;
}

export interface FailedPull extends Pick<RoomContext, 'onProgress'> {
  readonly store: Pick<StoreSpace, 'removeUnused'>;
  readonly lease: Pick<Lease, 'held' | 'release'>;
}

/**
 * After a pull for which the store's data had no room: removes the layers that it had finished, so that other pulls have
 * their space, and reports it.
 */
export async function giveBackRoom(error: unknown, { store, lease, onProgress }: FailedPull): Promise<void> {
  if (!(error instanceof SealiftError) || error.code !== 'STORE_SPACE_EXHAUSTED') return;
  if (error.context['fileSystem'] !== 'data') return;
  const held = lease.held();
  lease.release();
  // The pull's own failure is the one to report.
  const [removed] = await Promise.allSettled([store.removeUnused(held)]);
  if (removed.status === 'rejected' || removed.value.layers.length === 0) return;
  const { layers, freedBytes } = removed.value;
  const count = layers.length === 1 ? '1 layer' : `${layers.length} layers`;
  const message = `removed ${count} of the pull that had no room, ${freedBytes} bytes`;
  onProgress({ type: 'warning', message });
}
