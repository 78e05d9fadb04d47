import { describe, expect, it } from 'vitest';
import { type ErrorContext, SealiftError } from '../../../src/errors/index.ts';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { giveBackRoom, makeWithRoom, type RoomContext } from '../../../src/pull/make-room.ts';
import type { EvictionNeed } from '../../../src/store/types.ts';
import { expectFailure } from '../../support/matchers.ts';

const SIZE = 1000;
const IMAGE = hashBytes(Buffer.from('image'));
const NOTHING = { names: [], images: [], layers: [], documents: 0, uppers: 0, freedBytes: 0 };

interface TestSpace {
  readonly availableBytes: number;
  readonly freeInodes?: number;
  /** Whether the records lie on the file system of the data. */
  readonly shares?: boolean;
}

/** A store whose evictions remove an image each, as long as there are some. */
function setUp(images: number, { shares = false, ...space }: TestSpace) {
  const needs: EvictionNeed[] = [];
  const warnings: string[] = [];
  let left = images;
  const evictFor = async (need: EvictionNeed) => {
    needs.push(need);
    const isMore = need.amount > 0 && left > 0;
    if (isMore) left -= 1;
    const removal = isMore ? { ...NOTHING, images: [IMAGE] } : NOTHING;
    return { removal, sizeBytes: 100_000, freeInodes: undefined, attainableBytes: space.availableBytes, ...space };
  };
  const context: RoomContext = {
    store: { dataDir: '/data', evictFor, sharesFileSystem: async () => shares },
    onProgress: (event) => {
      if (event.type === 'warning') warnings.push(event.message);
    },
    signal: new AbortController().signal,
  };
  return { context, needs, warnings };
}

function full(context: ErrorContext = {}): SealiftError {
  return new SealiftError('UNPACK_WRITE_FAILED', 'full', {
    context: { errno: 'ENOSPC', resource: 'bytes', ...context },
  });
}

/** Fails with the error so many times, then returns. */
function failing(error: SealiftError, times: number) {
  let calls = 0;
  return {
    calls: () => calls,
    make: async () => {
      calls += 1;
      if (calls <= times) throw error;
      return 'made';
    },
  };
}

const making = (fetchedBytes: number) =>
  ({ what: 'layer', descriptor: { size: SIZE }, fetchedBytes: () => fetchedBytes }) as const;

describe('makeWithRoom', () => {
  it('evicts what the rest of the layer should need, and makes the layer again', async () => {
    const { context, needs, warnings } = setUp(1, { availableBytes: 8000 });
    const { make, calls } = failing(full(), 1);
    expect(await makeWithRoom(making(800), context, make)).toBe('made');
    expect(calls()).toBe(2);
    expect(needs).toEqual([
      { resource: 'bytes', amount: 0 },
      { resource: 'bytes', amount: 11_250, certainBytes: 8000 },
    ]);
    expect(warnings).toEqual([`removed to make room: ${IMAGE}`]);
  });

  it('doubles the room when it is not known how far the blob had arrived', async () => {
    const { context, needs } = setUp(1, { availableBytes: 8000 });
    await makeWithRoom(making(0), context, failing(full(), 1).make);
    expect(needs.at(-1)).toMatchObject({ resource: 'bytes', amount: 16_000 });
  });

  it('counts inodes where they are used up, and freed bytes where a quota is', async () => {
    const inodes = setUp(1, { availableBytes: 1e9, freeInodes: 50 });
    await makeWithRoom(making(0), inodes.context, failing(full({ resource: 'inodes' }), 1).make);
    expect(inodes.needs.at(-1)).toEqual({ resource: 'inodes', amount: 100 });
    const quota = setUp(1, { availableBytes: 1e9 });
    await makeWithRoom(making(0), quota.context, failing(full({ errno: 'EDQUOT', resource: 'quota' }), 1).make);
    expect(quota.needs.at(-1)).toEqual({ resource: 'quota', amount: 3 * SIZE });
  });

  it.each([
    ['a full state directory', new SealiftError('STORE_SPACE_EXHAUSTED', 'x', { context: state('ENOSPC') })],
    ['a broken disk', new SealiftError('UNPACK_WRITE_FAILED', 'x', { context: { errno: 'EIO' } })],
    ['a bug', new SealiftError('INTERNAL', 'x')],
  ])('removes nothing for %s', async (_, error) => {
    const { context, needs } = setUp(3, { availableBytes: 8000 });
    const { make, calls } = failing(error, 9);
    expect(await expectFailure(error.code, () => makeWithRoom(making(1), context, make))).toBe(error);
    expect([calls(), needs]).toEqual([1, []]);
  });

  it('removes images for a full state directory that shares the file system of the data', async () => {
    const { context, needs } = setUp(1, { availableBytes: 0, shares: true });
    const error = new SealiftError('STORE_SPACE_EXHAUSTED', 'x', { context: state('ENOSPC') });
    expect(await makeWithRoom(making(0), context, failing(error, 1).make)).toBe('made');
    expect(needs.at(-1)).toMatchObject({ resource: 'bytes', amount: 3 * SIZE });
  });

  it('says which part of the need is certain: little of a blob says nothing, and most of it nearly all', async () => {
    const little = setUp(1, { availableBytes: 8000 });
    await makeWithRoom(making(200), little.context, failing(full(), 1).make);
    expect(little.needs.at(-1)).toMatchObject({ certainBytes: 8000 });
    const most = setUp(1, { availableBytes: 8000 });
    await makeWithRoom(making(500), most.context, failing(full(), 1).make);
    expect(most.needs.at(-1)).toMatchObject({ certainBytes: 12_000 });
  });

  it('evicts for what had nothing left at all', async () => {
    const bytes = setUp(1, { availableBytes: 0 });
    expect(await makeWithRoom(making(900), bytes.context, failing(full(), 1).make)).toBe('made');
    expect(bytes.needs.at(-1)).toMatchObject({ resource: 'bytes', amount: SIZE });
    const inodes = setUp(1, { availableBytes: 1e9, freeInodes: 0 });
    await makeWithRoom(making(0), inodes.context, failing(full({ resource: 'inodes' }), 1).make);
    expect(inodes.needs.at(-1)).toEqual({ resource: 'inodes', amount: 8 });
  });

  it('removes images for a failed operation on the data', async () => {
    const { context, needs } = setUp(1, { availableBytes: 8000 });
    const error = new SealiftError('STORE_SPACE_EXHAUSTED', 'x', {
      context: { ...state('ENOSPC'), fileSystem: 'data' },
    });
    expect(await makeWithRoom(making(1000), context, failing(error, 1).make)).toBe('made');
    expect(needs.at(-1)).toMatchObject({ resource: 'bytes', amount: 9000 });
  });

  it('says what there was when nothing is left to remove', async () => {
    const { context, warnings } = setUp(1, { availableBytes: 8000 });
    const { make, calls } = failing(full(), 9);
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => makeWithRoom(making(800), context, make));
    expect(calls()).toBe(2);
    expect(warnings).toHaveLength(1);
    expect(error.message).toBe(
      'store /data is full: the layer needs more than the 8000 bytes that it had, and no unused image is left to remove; ' +
        'it has 100000 bytes and would have to have about 103250',
    );
    expect(error.hint).not.toContain('remove');
    expect(error.context).toEqual({
      ...{ path: '/data', fileSystem: 'data', resource: 'bytes' },
      ...{ expected: 8000, actual: 8000, size: 100_000, likely: 11_250 },
    });
  });
});

describe('giveBackRoom', () => {
  const KEY = 'layer-key' as LayerKey;

  async function giveBack(error: unknown, layers: readonly LayerKey[] = [KEY]) {
    const calls: string[] = [];
    const warnings: string[] = [];
    await giveBackRoom(error, {
      lease: { held: () => new Set([KEY]), release: () => void calls.push('release') },
      store: {
        removeUnused: async (among) => {
          calls.push(`remove ${[...among]}`);
          return { ...NOTHING, layers, freedBytes: 4096 };
        },
      },
      onProgress: (event) => {
        if (event.type === 'warning') warnings.push(event.message);
      },
    });
    return { calls, warnings };
  }

  const fullData = new SealiftError('STORE_SPACE_EXHAUSTED', 'x', { context: { fileSystem: 'data' } });

  it('removes what only the failed pull held, and reports it', async () => {
    const { calls, warnings } = await giveBack(fullData);
    expect(calls).toEqual(['release', `remove ${KEY}`]);
    expect(warnings).toEqual(['removed 1 layer of the pull that had no room, 4096 bytes']);
  });

  it('reports nothing where there was nothing to remove', async () => {
    expect((await giveBack(fullData, [])).warnings).toEqual([]);
  });

  it.each([
    ['a full state directory', new SealiftError('STORE_SPACE_EXHAUSTED', 'x', { context: state('ENOSPC') })],
    ['another failure', new SealiftError('TAR_INVALID', 'x')],
    ['a bug', new TypeError('x')],
  ])('removes nothing after %s', async (_, error) => {
    expect((await giveBack(error)).calls).toEqual([]);
  });
});

function state(errno: string) {
  return { errno, fileSystem: 'state', resource: 'bytes' };
}
