import { SealiftError } from '../errors/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Removal, Store } from '../store/index.ts';
import type { ProgressEvent } from './types.ts';

/** Uncompressed layers are about this much larger than what is on the wire. */
export const TYPICAL_EXPANSION = 3;

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

type Evicting = Pick<Store, 'evictFor' | 'dataDir'>;

/** What a user wants to know when images are gone; undefined when none is. */
export function evictionWarning(removal: Removal | undefined): string | undefined {
  if (removal === undefined || removal.images.length === 0) return undefined;
  return `removed to make room: ${[...removal.names, ...removal.images].join(', ')}`;
}

/**
 * Makes a layer; when the store runs full meanwhile, images that are not in use go, oldest first, and it is made again.
 * Throws `STORE_SPACE_EXHAUSTED` when there is nothing left that could go.
 */
export async function makeWithRoom<Made>(
  { size }: Pick<Descriptor, 'size'>,
  { store, onProgress }: { readonly store: Evicting; readonly onProgress: (event: ProgressEvent) => void },
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

/** The layer has filled all there was, so it gets twice that; what it needs in the end nobody knows. */
async function makeRoom(estimatedBytes: number, store: Evicting, cause: unknown): Promise<Removal> {
  const garbage = await store.evictFor(0);
  const eviction = await store.evictFor(Math.max(estimatedBytes, 2 * garbage.availableBytes));
  const removed = [garbage, eviction].flatMap(({ removal }) => [...removal.images, ...removal.layers]);
  if (removed.length > 0) return eviction.removal;
  const { dataDir: path } = store;
  const { availableBytes: actual, sizeBytes: size } = eviction;
  const expected = Math.max(estimatedBytes, actual + 1);
  throw new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `store ${path} ran full: expected room for at least ${expected} bytes, got ${actual} with no unused image left to remove`,
    { context: { path, expected, actual, size }, cause },
  );
}

function isFull(error: unknown): boolean {
  return error instanceof SealiftError && FULL.has(error.context['errno']);
}
