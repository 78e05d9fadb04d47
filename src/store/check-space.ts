import { statSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { evictFor } from './evict.ts';
import type { StoreContext } from './store-context.ts';
import type { SpaceFacts, SpaceNeed, SpaceReport, Store } from './types.ts';

/** The reserve is at most this share of the backing, because a fixed number of bytes could be all of a small one. */
const MAX_RESERVE_SHARE = 1 / 8;

/** What to do when removing images was tried, or cannot help. */
export const LARGER_STORE_HINT =
  'make the store larger, or unmount bundles that are no longer used with sealift umount DIR';

/** See {@link StoreSpace.checkSpace}. A pull that fetches nothing needs no reserve. */
export async function checkSpace(
  context: StoreContext,
  need: SpaceNeed,
  signal?: AbortSignal,
): ReturnType<Store['checkSpace']> {
  const { dataDir } = context;
  const { minFreeBytes, runOperation } = context.options;
  const space = await runOperation('measureSpace', { dataDir });
  const reserve = reserveOf(need, minFreeBytes, space);
  const first = judgeSpace(need, reserve, space);
  if (first !== 'exhausted') return { ...space, verdict: first, removal: undefined };
  const expected = need.compressedBytes + reserve;
  const eviction = await evictFor(context, { resource: 'bytes', amount: expected, certainBytes: expected }, signal);
  const { removal, attainableBytes, ...after } = eviction;
  const second = judgeSpace(need, reserve, after);
  if (second !== 'exhausted') return { ...after, verdict: second, removal };
  const { availableBytes: actual, sizeBytes: size } = after;
  const count = removal.images.length;
  const without = attainableBytes > actual ? `, at most ${attainableBytes} without all others` : '';
  const had = `${actual} free after removing ${count} unused ${count === 1 ? 'image' : 'images'}${without}`;
  throw new SealiftError(
    'STORE_SPACE_EXHAUSTED',
    `store ${dataDir} is full: needs ${expected} bytes, ${had}; it has ${size} bytes and would have to have ${size - attainableBytes + expected}`,
    {
      hint: LARGER_STORE_HINT,
      context: {
        path: dataDir,
        fileSystem: 'data',
        resource: 'bytes',
        expected,
        actual,
        size,
        reserve,
        likely: need.estimatedBytes + reserve,
      },
    },
  );
}

/** See {@link StoreSpace.sharesFileSystem}. */
export async function sharesFileSystem({ dataDir, options }: StoreContext): Promise<boolean> {
  const { device } = await options.runOperation('measureSpace', { dataDir });
  return device === statSync(options.stateDir).dev;
}

function reserveOf({ compressedBytes }: SpaceNeed, minFreeBytes: number, { sizeBytes }: SpaceFacts): number {
  if (compressedBytes === 0) return 0;
  return Math.min(minFreeBytes, Math.floor(sizeBytes * MAX_RESERVE_SHARE));
}

export function judgeSpace(
  { compressedBytes, estimatedBytes }: SpaceNeed,
  reserve: number,
  { availableBytes }: Pick<SpaceFacts, 'sizeBytes' | 'availableBytes'>,
): SpaceReport['verdict'] {
  if (compressedBytes + reserve > availableBytes) return 'exhausted';
  return estimatedBytes + reserve > availableBytes ? 'tight' : 'fits';
}
