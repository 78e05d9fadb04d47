import { describe, expect, it } from 'vitest';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import { findNeeded, neededImages, oldestUnmounted } from '../../../src/store/find-needed.ts';
import { planRemoval } from '../../../src/store/remove-images.ts';
import type { StoreIndex } from '../../../src/store/store-index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { DIFF_ID, digestOf, layerKey } from '../../support/stores/store-fixtures.ts';

const [A, B] = [layerKey('0a'), layerKey('0b')];
const EMPTY: StoreIndex = { names: [], images: [], mounts: [], layers: [] };

const image = (name: string, layerKeys = [A], pulledAt = '2030-01-01T00:00:00.000Z') => ({
  manifestDigest: digestOf(name),
  configDigest: digestOf(`${name} config`),
  layerKeys,
  platform: 'linux/amd64',
  pulledAt,
});
const name = (reference: string, to: string, via: string[] = []) => ({
  reference,
  digest: digestOf(to),
  via: via.map(digestOf),
});
const mount = (imageName: string, layers: LayerKey[]) => ({
  id: 'ab'.repeat(16),
  target: '/run',
  layers,
  upper: '/u',
  imageDigest: digestOf(imageName),
});

describe('findNeeded', () => {
  it('is nothing where there are neither names nor mounts', () => {
    const needed = findNeeded({ ...EMPTY, images: [image('app', [A])] });
    expect([needed.layers.size, needed.documents.size]).toEqual([0, 0]);
  });

  it('has what a name leads to, and the indexes on the way', () => {
    const needed = findNeeded({ ...EMPTY, images: [image('app', [A])], names: [name('app:1', 'app', ['index'])] });
    expect(needed.layers).toEqual(new Set([A]));
    expect(needed.documents).toEqual(new Set([digestOf('app'), digestOf('app config'), digestOf('index')]));
  });

  it('has nothing for a name that leads nowhere', () => {
    expect(findNeeded({ ...EMPTY, names: [name('app:1', 'app', ['index'])] }).documents.size).toBe(0);
  });

  it('has what is mounted, with and without a record of its image', () => {
    const mounts = [mount('app', [A]), mount('forgotten', [B])];
    const index = { ...EMPTY, images: [image('app', [A])], mounts };
    expect(neededImages(index)).toEqual(index.images);
    expect(findNeeded(index).layers).toEqual(new Set([A, B]));
  });
});

describe('oldestUnmounted', () => {
  it('begins with the image whose last pull is longest ago, and leaves mounted ones out', () => {
    const images = [
      image('new', [A], '2030-01-03T00:00:00Z'),
      image('old', [A]),
      image('mounted', [A], '2029-01-01T00:00:00Z'),
    ];
    const found = oldestUnmounted({ ...EMPTY, images, mounts: [mount('mounted', [])] });
    expect(found.map(({ manifestDigest }) => manifestDigest)).toEqual([digestOf('old'), digestOf('new')]);
  });
});

describe('planRemoval', () => {
  const index = {
    names: [name('app:1', 'app'), name('app:2', 'app'), name('other:1', 'other')],
    images: [image('app'), image('other'), image('nameless')],
  };
  const byName = (reference: string) => ({ kind: 'name', reference }) as const;
  const byDigest = (text: string) => ({ kind: 'image', digest: digestOf(text) }) as const;

  it.each([
    ['one of two names', [byName('app:1')], ['app:1'], []],
    ['one name twice', [byName('app:1'), byName('app:1')], ['app:1'], []],
    ['both names', [byName('app:1'), byName('app:2')], ['app:1', 'app:2'], ['app']],
    ['a digest', [byDigest('app')], ['app:1', 'app:2'], ['app']],
    ['a name and its digest', [byName('app:1'), byDigest('app')], ['app:1', 'app:2'], ['app']],
    ['an image without a name', [byDigest('nameless')], [], ['nameless']],
    ['several images', [byDigest('app'), byName('other:1')], ['app:1', 'app:2', 'other:1'], ['app', 'other']],
  ])('of %s', (_, targets, names, images) => {
    expect(planRemoval(index, targets)).toEqual({ names, images: images.map(digestOf) });
  });

  it('refuses what is not there', async () => {
    await expectFailure('STORE_IMAGE_UNKNOWN', () => planRemoval(index, [byName('app:1'), byName('none:1')]));
    await expectFailure('STORE_IMAGE_UNKNOWN', () => planRemoval(index, [{ kind: 'image', digest: DIFF_ID }]));
  });
});
