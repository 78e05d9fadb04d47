import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import type { KnownLayer, Store } from '../../../src/store/index.ts';
import type { LayerBacking, StoreOptions } from '../../../src/store/types.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  DIFF_ID,
  digestOf,
  FACTS,
  inlineRunner,
  layerKey,
  openTestStore,
} from '../../support/stores/store-fixtures.ts';

const SHARED = layerKey('0a');
const OWN = layerKey('0b');

let scratch: Scratch;
/** The calls that the read-only backing received. */
let asked: string[];

beforeEach(async () => {
  scratch = new Scratch('backings');
  asked = [];
  await using filled = await open([{ dir: scratch.join('shared'), writable: true }]);
  await make(filled.store, SHARED);
});

afterEach(() => scratch[Symbol.dispose]());

const shared = (writable = false): LayerBacking => ({ dir: scratch.join('shared'), writable });
const own = (): LayerBacking => ({ dir: scratch.join('own'), writable: true });

async function open(backings: readonly LayerBacking[], change: Partial<StoreOptions> = {}) {
  const runOperation = inlineRunner(({ kind, request }) => {
    if (request.dataDir === scratch.join('shared')) asked.push(kind);
  });
  const store = await openTestStore(scratch.path, { backings, runOperation, ...change });
  asked = [];
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

function make(store: Store, key: LayerKey): Promise<KnownLayer> {
  return store.withLayer(key, async () => {
    const staging = await store.stageLayer(key, DIFF_ID);
    writeFileSync(`${staging.directory}/key`, key);
    return staging.publish(FACTS);
  });
}

function putImage(store: Store, name: string, layerKeys: readonly LayerKey[]): void {
  const image = { manifestDigest: digestOf(name), configDigest: digestOf(`${name} config`), platform: 'linux/amd64' };
  store.putImage({ ...image, layerKeys });
}

describe('a store with a read-only backing', () => {
  it.each([
    ['behind', () => [own(), shared()]],
    ['before', () => [shared(), own()]],
  ])(
    'finds its layers, also when it stands %s the writable one, and makes new ones in its own',
    async (_, backings) => {
      await using opened = await open(backings());
      const { store } = opened;
      expect(await store.findLayer(SHARED)).toMatchObject({ layer: { path: scratch.join('shared/layers', SHARED) } });
      expect(await make(store, OWN)).toMatchObject({ layer: { path: scratch.join('own/layers', OWN) } });
      expect(store.dataDir).toBe(scratch.join('own'));
      const { upper } = await store.createUpper();
      expect(upper.startsWith(scratch.join('own/uppers'))).toBe(true);
      expect(new Set(asked)).toEqual(new Set(['presentLayers']));
    },
  );

  it('does not make a layer that it has', async () => {
    await using opened = await open([own(), shared()]);
    const known = await opened.store.withLayer(SHARED, () => Promise.reject(new Error('made a layer that is there')));
    expect(known.kind).toBe('published');
    expect(readdirSync(scratch.join('own/layers'))).toEqual([]);
  });

  it('takes the first of two backings that have a layer', async () => {
    mkdirSync(scratch.join('own/layers', SHARED), { recursive: true });
    chmodSync(scratch.join('own'), 0o700);
    await using opened = await open([own(), shared()]);
    expect(await opened.store.findLayer(SHARED)).toMatchObject({ layer: { path: scratch.join('own/layers', SHARED) } });
  });

  it('believes nothing in it without a record', async () => {
    mkdirSync(scratch.join('shared/layers', OWN));
    await using opened = await open([own(), shared()]);
    expect(await opened.store.findLayer(OWN)).toBeUndefined();
    expect(await make(opened.store, OWN)).toMatchObject({ layer: { path: scratch.join('own/layers', OWN) } });
    expect(existsSync(scratch.join('shared/layers', OWN))).toBe(true);
  });

  it('forgets a layer that it has lost', async () => {
    rmSync(scratch.join('shared/layers', SHARED), { recursive: true });
    await using opened = await open([own(), shared()]);
    expect(await opened.store.findLayer(SHARED)).toBeUndefined();
    expect(await make(opened.store, SHARED)).toMatchObject({ layer: { path: scratch.join('own/layers', SHARED) } });
  });

  it('removes nothing from it, and still finds its layers afterwards', async () => {
    await using opened = await open([own(), shared()]);
    const { store } = opened;
    await make(store, OWN);
    const removal = await store.prune({ all: true });
    expect(removal.layers).toEqual([OWN]);
    expect(await store.findLayer(OWN)).toBeUndefined();
    expect(await store.findLayer(SHARED)).toMatchObject({ kind: 'published' });
    expect(asked.filter((kind) => kind !== 'presentLayers')).toEqual([]);
  });

  it('removes a copy in the writable backing and goes on with the other', async () => {
    mkdirSync(scratch.join('own/layers', SHARED), { recursive: true });
    chmodSync(scratch.join('own'), 0o700);
    await using opened = await open([own(), shared()]);
    const { store } = opened;
    expect((await store.prune({ all: true })).layers).toEqual([SHARED]);
    expect(await store.findLayer(SHARED)).toMatchObject({ layer: { path: scratch.join('shared/layers', SHARED) } });
  });

  it('evicts no image whose layers all lie in it', async () => {
    await using opened = await open([own(), shared()]);
    const { store } = opened;
    await make(store, OWN);
    putImage(store, 'shared', [SHARED]);
    store.putName('example.org/shared:1', digestOf('shared'));
    putImage(store, 'own', [SHARED, OWN]);
    store.putName('example.org/own:1', digestOf('own'));
    const { removal } = await store.evictFor({ resource: 'bytes', amount: Number.MAX_SAFE_INTEGER });
    expect(removal).toMatchObject({ images: [digestOf('own')], layers: [OWN] });
    expect(store.listImages().map(({ names }) => names)).toEqual([['example.org/shared:1']]);
  });

  it('changes nothing in it when the index belongs to another boot', async () => {
    const before = lstatSync(scratch.join('shared/layers')).mtimeMs;
    await using opened = await open([own(), shared()], { bootId: '66666666-2222-3333-4444-555555555555' });
    expect(await opened.store.findLayer(SHARED)).toBeUndefined();
    expect(readdirSync(scratch.join('shared/layers'))).toEqual([SHARED]);
    expect(lstatSync(scratch.join('shared/layers')).mtimeMs).toBe(before);
  });

  it.each<[string, () => void]>([
    ['is absent', () => rmSync(scratch.join('shared'), { recursive: true })],
    ['has no layers', () => rmSync(scratch.join('shared/layers'), { recursive: true })],
    ['can be written to by others', () => chmodSync(scratch.join('shared'), 0o777)],
    ['has layers that others can write to', () => chmodSync(scratch.join('shared/layers'), 0o777)],
  ])('is refused when the backing %s', async (_, change) => {
    change();
    await expectFailure('STORE_INVALID', () => open([own(), shared()]));
  });
});

it.each([
  ['no backing', () => []],
  ['no writable backing', () => [shared()]],
  ['two writable backings', () => [own(), shared(true)]],
])('a store with %s is refused', async (_, backings) => {
  await expectFailure('INTERNAL', () => open(backings()));
});
