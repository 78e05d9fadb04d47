import { SealiftError } from '../errors/index.ts';
import { evictFor } from './evict.ts';
import type { StoreContext } from './store-context.ts';
import type { SpaceFacts, SpaceNeed, SpaceReport, Store } from './types.ts';

/** A small backing would hold nothing at all, were a fixed number of bytes kept from it. */
const MAX_RESERVE_SHARE = 1 / 8;

/** See `Store.checkSpace`. Who fetches nothing needs no room. */
export async function checkSpace(context: StoreContext, need: SpaceNeed): ReturnType<Store['checkSpace']> {
  const { dataDir } = context;
  const { minFreeBytes, runOperation } = context.options;
  const space = await runOperation('measureSpace', { dataDir });
  const reserve = reserveOf(need, minFreeBytes, space);
  const first = judgeSpace(need, reserve, space);
  if (first !== 'exhausted') return { ...space, verdict: first, removal: undefined };
  const expected = need.compressedBytes + reserve;
  const { removal, ...after } = await evictFor(context, expected);
  const second = judgeSpace(need, reserve, after);
  if (second !== 'exhausted') return { ...after, verdict: second, removal };
  const { availableBytes: actual, sizeBytes: size } = after;
  throw new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `check space in ${dataDir}: expected at least ${expected} free bytes, got ${actual} after ${removal.images.length} unused images were removed`,
    { context: { path: dataDir, expected, actual, size, reserve, likely: need.estimatedBytes + reserve } },
  );
}

function reserveOf({ compressedBytes }: SpaceNeed, minFreeBytes: number, { sizeBytes }: SpaceFacts): number {
  if (compressedBytes === 0) return 0;
  return Math.min(minFreeBytes, Math.floor(sizeBytes * MAX_RESERVE_SHARE));
}

export function judgeSpace(
  { compressedBytes, estimatedBytes }: SpaceNeed,
  reserve: number,
  { availableBytes }: SpaceFacts,
): SpaceReport['verdict'] {
  if (compressedBytes + reserve > availableBytes) return 'exhausted';
  return estimatedBytes + reserve > availableBytes ? 'tight' : 'fits';
}
