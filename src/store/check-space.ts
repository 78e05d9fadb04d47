import { SealiftError } from '../errors/index.ts';
import { evictFor } from './evict.ts';
import type { StoreContext } from './store-context.ts';
import type { SpaceNeed, Store } from './types.ts';

/** See `Store.checkSpace`. Who fetches nothing needs no room. */
export async function checkSpace(context: StoreContext, need: SpaceNeed): ReturnType<Store['checkSpace']> {
  const { dataDir, minFreeBytes, runOperation } = context.options;
  const reserve = need.compressedBytes > 0 ? minFreeBytes : 0;
  const expected = need.compressedBytes + reserve;
  const measure = () =>
    runOperation('measureSpace', {
      dataDir,
      need: { compressedBytes: expected, estimatedBytes: need.estimatedBytes + reserve },
    });
  const first = await measure();
  if (first.verdict !== 'exhausted') return { ...first, removal: undefined };
  const { removal } = await evictFor(context, expected);
  const second = await measure();
  if (second.verdict !== 'exhausted') return { ...second, removal };
  throw new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `check space in ${dataDir}: expected at least ${expected} free bytes, got ${second.availableBytes} after ${removal.images.length} unused images were removed`,
    { context: { path: dataDir, expected, actual: second.availableBytes, reserve } },
  );
}
