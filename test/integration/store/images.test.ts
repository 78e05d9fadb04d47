import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatLayerKey, type LayerKey } from '../../../src/layer-formats/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { Store } from '../../../src/store/index.ts';
import { tryLockFile } from '../../../src/store/lock-file.ts';
import type { StoreOptions } from '../../../src/store/types.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  DIFF_ID,
  digestOf,
  FACTS,
  inlineRunner,
  layerKey,
  openTestStore,
  readName,
} from '../../support/stores/store-fixtures.ts';

const LAYER_BYTES = 64 * 1024;

let scratch: Scratch;
let store: Store;
let mounted: Set<string>;
let now: number;
/** The free bytes that the disk reports; the real ones unless a test sets them. */
let freeBytes: (() => number) | undefined;
let sizeBytes: number;
let sweeps: number;

beforeEach(async () => {
  scratch = new Scratch('images');
  mounted = new Set();
  now = Date.parse('2030-01-01T00:00:00Z');
  freeBytes = undefined;
  sizeBytes = 100 * LAYER_BYTES;
  sweeps = 0;
  store = await open();
});

afterEach(async () => {
  await store.close();
  scratch[Symbol.dispose]();
});

function open(change: Partial<StoreOptions> = {}): Promise<Store> {
  const disk = inlineRunner();
  return openTestStore(scratch.path, {
    epochMs: () => now,
    findMountedUppers: (ids) => new Set(ids.filter((id) => mounted.has(id))),
    sweepLayerMounts: async () => {
      sweeps += 1;
    },
    runOperation: async (kind, request) => {
      const answer = await disk(kind, request);
      if (kind !== 'measureSpace' || freeBytes === undefined) return answer;
      return { sizeBytes, availableBytes: freeBytes() } as typeof answer;
    },
    ...change,
  });
}

const names = (...parts: string[]) => readdirSync(scratch.join(...parts)).sort();

async function publish(key: LayerKey): Promise<void> {
  await store.withLayer(key, async () => {
    const staging = await store.stageLayer(key, DIFF_ID);
    writeFileSync(`${staging.directory}/content`, Buffer.alloc(LAYER_BYTES));
    return staging.publish(FACTS);
  });
}

/** An image of published layers, with a manifest, an index and a config of its own. */
async function pullImage(name: string, layers: readonly LayerKey[], tag = '1'): Promise<void> {
  for (const key of layers) await publish(key);
  const [manifest, index, config] = [name, `${name} index`, `${name} config`];
  store.putManifest(digestOf(manifest), Buffer.from(manifest));
  store.putManifest(digestOf(index), Buffer.from(index));
  store.putConfig(digestOf(config), Buffer.from(config));
  now += 1000;
  store.putImage({
    manifestDigest: digestOf(manifest),
    configDigest: digestOf(config),
    layerKeys: layers,
    platform: 'linux/amd64',
  });
  store.putName(`example.org/${name}:${tag}`, digestOf(manifest), [digestOf(index)]);
}

async function mountImage(name: string, layers: readonly LayerKey[]): Promise<string> {
  const { id, upper } = await store.createUpper();
  store.putMount({ id, target: `/run/${name}`, layers, upper, imageDigest: digestOf(name) });
  mounted.add(id);
  store.settleUpper(id);
  return id;
}

const [A, B, C] = [layerKey('0a'), layerKey('0b'), layerKey('0c')];
const whole = () => [names('data/layers'), names('state/layers'), names('state/images'), names('state/names')];
const remove = (name: string) => store.removeImages([{ kind: 'name', reference: `example.org/${name}` }]);

describe('listing images', () => {
  it('has names, layers, when it was pulled and what it takes of the disk', async () => {
    await pullImage('app', [A, B]);
    store.putName('example.org/app:2', digestOf('app'));
    expect(store.listImages()).toEqual([
      {
        record: {
          manifestDigest: digestOf('app'),
          configDigest: digestOf('app config'),
          layerKeys: [A, B],
          platform: 'linux/amd64',
          pulledAt: '2030-01-01T00:00:01.000Z',
        },
        names: ['example.org/app:1', 'example.org/app:2'],
        diskBytes: expect.any(Number),
        sharedBytes: 0,
        mounts: [],
      },
    ]);
    const [image] = store.listImages();
    expect(image?.diskBytes).toBeGreaterThanOrEqual(2 * LAYER_BYTES);
    expect(image?.diskBytes).toBeLessThan(2 * (LAYER_BYTES + 16 * 1024));
  });

  it('counts a repeated layer once, and what another image has too as shared', async () => {
    await pullImage('one', [A, B, A]);
    await pullImage('two', [B, C]);
    const [two, one] = store.listImages();
    expect([one?.names, two?.names]).toEqual([['example.org/one:1'], ['example.org/two:1']]);
    expect(one?.diskBytes).toBe(two?.diskBytes);
    expect(one?.sharedBytes).toBe((one?.diskBytes ?? 0) / 2);
  });

  it('shows an image as mounted while any namespace has its upper mounted', async () => {
    await pullImage('app', [A]);
    const id = await mountImage('app', [A]);
    expect(store.listImages()[0]?.mounts).toEqual(['/run/app']);
    mounted.delete(id);
    expect(store.listImages()[0]?.mounts).toEqual([]);
  });

  it('leaves out records that are damaged or called otherwise', async () => {
    await pullImage('app', [A]);
    const record = scratch.join('state/images', names('state/images')[0] ?? '');
    writeFileSync(scratch.join('state/images', `${digestOf('other')}.json`), readFileSync(record));
    writeFileSync(scratch.join('state/names/torn.json'), '{');
    expect(store.listImages()).toHaveLength(1);
    writeFileSync(record, '{}');
    expect(store.listImages()).toEqual([]);
  });
});

describe('removing images', () => {
  it('takes a name away and leaves the image to its other names', async () => {
    await pullImage('app', [A]);
    store.putName('example.org/app:2', digestOf('app'));
    const before = names('data/layers');
    expect(await remove('app:1')).toMatchObject({ names: ['example.org/app:1'], images: [], layers: [] });
    expect(store.getManifest(digestOf('app'))).toBeDefined();
    expect(names('data/layers')).toEqual(before);
    expect(readName(scratch.join('state'), 'example.org/app:1')).toBeUndefined();
    expect(readName(scratch.join('state'), 'example.org/app:2')).toBe(digestOf('app'));
  });

  it('takes the image with its last name: layers, documents and records, and says how many bytes', async () => {
    await pullImage('app', [A, B]);
    const taken = store.listImages()[0]?.diskBytes;
    expect(await remove('app:1')).toEqual({
      names: ['example.org/app:1'],
      images: [digestOf('app')],
      layers: expect.arrayContaining([A, B]),
      documents: 3,
      uppers: 0,
      freedBytes: expect.toSatisfy((bytes: number) => bytes >= (taken ?? 0) && bytes < (taken ?? 0) + 16 * 1024),
    });
    expect(whole()).toEqual([[], [], [], []]);
    expect([names('data/trash'), names('state/manifests/sha256'), names('state/configs/sha256')]).toEqual([[], [], []]);
    expect(names('state/lock')).toEqual(['store']);
    expect(sweeps).toBe(1);
  });

  it('takes all names of a digest', async () => {
    await pullImage('app', [A]);
    store.putName('example.org/app:2', digestOf('app'));
    const removal = await store.removeImages([{ kind: 'image', digest: digestOf('app') }]);
    expect(removal.names.length).toBe(2);
    expect(whole()).toEqual([[], [], [], []]);
  });

  it('leaves layers that another image has too, and those that were nobody’s before', async () => {
    await pullImage('one', [A, B]);
    await pullImage('two', [B]);
    await publish(C);
    expect((await remove('one:1')).layers).toEqual([A]);
    expect(names('data/layers')).toEqual([B, C]);
  });

  it('refuses to take the last name of an image that is mounted, and takes any other', async () => {
    await pullImage('app', [A]);
    store.putName('example.org/app:2', digestOf('app'));
    await mountImage('app', [A]);
    await remove('app:1');
    const error = await expectFailure('STORE_IMAGE_IN_USE', () => remove('app:2'));
    expect(error.message).toContain('/run/app');
    expect(readName(scratch.join('state'), 'example.org/app:2')).toBe(digestOf('app'));
    await expectFailure('STORE_IMAGE_IN_USE', () => store.removeImages([{ kind: 'image', digest: digestOf('app') }]));
    expect(names('data/layers')).toEqual([A]);
  });

  it('takes an image whose container is gone, and what the container left', async () => {
    await pullImage('app', [A]);
    mounted.delete(await mountImage('app', [A]));
    expect(await remove('app:1')).toMatchObject({ images: [digestOf('app')], layers: [A], uppers: 1 });
    expect([names('data/uppers'), names('state/mounts'), names('data/layers')]).toEqual([[], [], []]);
  });

  it('removes nothing when one of the images is not there', async () => {
    await pullImage('app', [A]);
    const targets = ['app:1', 'none:1'].map((name) => ({ kind: 'name', reference: `example.org/${name}` }) as const);
    await expectFailure('STORE_IMAGE_UNKNOWN', () => store.removeImages(targets));
    await expectFailure('STORE_IMAGE_UNKNOWN', () => store.removeImages([{ kind: 'image', digest: digestOf('none') }]));
    expect(store.listImages()).toHaveLength(1);
    expect(names('state/lock')).toEqual(['store']);
  });
});

describe('pruning', () => {
  it('leaves all that names need', async () => {
    await pullImage('app', [A, B]);
    const before = whole();
    expect(await store.prune({ all: false })).toEqual({
      names: [],
      images: [],
      layers: [],
      documents: 0,
      uppers: 0,
      freedBytes: 0,
    });
    expect(whole()).toEqual(before);
    expect(names('state/manifests/sha256')).toHaveLength(2);
  });

  it('takes images without a name, layers and documents of nobody, and the trash', async () => {
    await pullImage('old', [A, B]);
    await pullImage('new', [B]);
    store.putName('example.org/old:1', digestOf('new'));
    await publish(C);
    mkdirSync(scratch.join('data/trash/left'));
    writeFileSync(scratch.join('data/trash/left/file'), Buffer.alloc(LAYER_BYTES));
    const removal = await store.prune({ all: false });
    expect(removal).toMatchObject({ names: [], images: [digestOf('old')], documents: 3 });
    expect([...removal.layers].sort()).toEqual([A, C]);
    expect(removal.freedBytes).toBeGreaterThanOrEqual(3 * LAYER_BYTES);
    expect([names('data/layers'), names('data/trash')]).toEqual([[B], []]);
  });

  it('takes names whose image is not there', async () => {
    store.putName('example.org/app:1', digestOf('app'));
    expect((await store.prune({ all: false })).names).toEqual(['example.org/app:1']);
    expect(names('state/names')).toEqual([]);
  });

  it('keeps a mounted image, also one without a name', async () => {
    await pullImage('app', [A]);
    await mountImage('app', [A]);
    await store.prune({ all: true });
    store.putName('example.org/app:1', digestOf('elsewhere'));
    await store.prune({ all: false });
    expect([names('data/layers'), names('state/images')]).toEqual([[A], [`${digestOf('app')}.json`]]);
    expect(store.getManifest(digestOf('app'))).toBeDefined();
  });

  it('takes all images that are not mounted when asked to', async () => {
    await pullImage('one', [A, B]);
    await pullImage('two', [B, C]);
    await mountImage('two', [B, C]);
    expect(await store.prune({ all: true })).toMatchObject({ names: ['example.org/one:1'], layers: [A] });
    expect(names('data/layers')).toEqual([B, C]);
  });

  it('keeps what is known of a chained layer by itself, and takes it with the image', async () => {
    const chained = formatLayerKey({
      format: 'directory',
      writerVersion: 1,
      kind: 'chain',
      hex: 'cc'.repeat(32),
      domain: undefined,
    });
    await store.withLayer(A, async () => store.rememberNeedsChain(A, DIFF_ID, FACTS));
    await pullImage('app', [chained]);
    await store.prune({ all: false });
    expect(names('state/layers')).toEqual([`${chained}.json`, `${A}.json`].sort());
    await remove('app:1');
    expect(names('state/layers')).toEqual([]);
  });

  it('takes a layer whose record is damaged and that no image needs', async () => {
    await publish(A);
    writeFileSync(scratch.join('state/layers', `${A}.json`), '{');
    expect((await store.prune({ all: false })).layers).toEqual([A]);
    expect(whole()).toEqual([[], [], [], []]);
  });

  it('refuses when it cannot be told what a mount needs', async () => {
    await pullImage('app', [A]);
    const id = await mountImage('app', [A]);
    writeFileSync(scratch.join('state/mounts', `${id}.json`), '{}');
    await expectFailure('STORE_RECORD_CORRUPT', () => store.prune({ all: true }));
    expect(names('data/layers')).toEqual([A]);
  });

  it('gives up at the deadline when another process removes for ever', async () => {
    const other = await open({ lockTimeoutMs: 500 });
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    await publish(A);
    const slow = await open({
      sweepLayerMounts: () => {
        begun.resolve();
        return gate.promise;
      },
    });
    const slowPrune = slow.prune({ all: false });
    await begun.promise;
    await expectFailure('STORE_LOCK_TIMEOUT', () => other.prune({ all: false }));
    gate.resolve();
    expect((await slowPrune).layers).toEqual([A]);
    await Promise.all([other.close(), slow.close()]);
  });
});

describe('a lease', () => {
  it('keeps layers, documents and images from being removed until it is released', async () => {
    await pullImage('app', [A]);
    await publish(B);
    const pull = await open();
    const lease = pull.openLease();
    for (const thing of [B, digestOf('app')]) await lease.hold(thing);
    await store.prune({ all: true });
    expect(names('data/layers')).toEqual([A, B]);
    await expectFailure('STORE_IMAGE_IN_USE', () => remove('app:1'));
    lease.release();
    await store.prune({ all: true });
    expect(whole()).toEqual([[], [], [], []]);
    await pull.close();
    expect(names('state/lock')).toEqual(['store']);
  });

  it('may hold one thing twice, and shares it with others', async () => {
    const [one, two] = [store.openLease(), store.openLease()];
    for (const lease of [one, one, two]) await lease.hold(A);
    await publish(A);
    one.release();
    one.release();
    await store.prune({ all: false });
    expect(names('data/layers')).toEqual([A]);
    two.release();
    await store.prune({ all: false });
    expect(names('data/layers')).toEqual([]);
  });

  it('ends with its store', async () => {
    const other = await open();
    await other.openLease().hold(A);
    await other.close();
    expect(names('state/lock')).toEqual(['store']);
  });
});

describe('uppers of containers that are gone', () => {
  it('go with their records; those that are mounted anywhere, or being made, stay', async () => {
    const alive = await mountImage('alive', [A]);
    const gone = await mountImage('gone', [A]);
    const { id: making } = await store.createUpper();
    store.putMount({ id: making, target: '/run/x', layers: [A], upper: '/u', imageDigest: digestOf('x') });
    const { id: unrecorded } = await store.createUpper();
    mounted.delete(gone);
    const other = await open();
    expect(await other.sweepUppers()).toBe(1);
    expect(sweeps).toBe(1);
    expect(names('data/uppers')).toEqual([alive, making, unrecorded].sort());
    expect(
      store
        .listMounts()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([alive, making].sort());
    store.settleUpper(unrecorded);
    expect(await other.sweepUppers()).toBe(1);
    expect(names('data/uppers')).toEqual([alive, making].sort());
    await other.close();
  });

  it('are looked at again under their locks: one that was mounted meanwhile stays', async () => {
    const { id } = await store.createUpper();
    store.settleUpper(id);
    let looks = 0;
    const other = await open({
      findMountedUppers: (ids) => {
        looks += 1;
        return new Set(looks > 1 ? ids : []);
      },
    });
    expect(await other.sweepUppers()).toBe(0);
    expect(names('data/uppers')).toEqual([id]);
    await other.close();
  });

  it('are not needed to remove the record of a mount, whose text may be damaged then', async () => {
    const id = await mountImage('gone', [A]);
    mounted.delete(id);
    writeFileSync(scratch.join('state/mounts', `${id}.json`), '{}');
    await store.sweepUppers();
    expect(names('state/mounts')).toEqual([]);
  });
});

describe('running out of space', () => {
  /** A disk with room for three and a half layers, of which `used` are taken. */
  const threeLayers = () => {
    freeBytes = () => (3.5 - names('data/layers').length) * LAYER_BYTES;
  };

  it('removes unmounted images, the one whose pull is longest ago first, and no more than it must', async () => {
    await pullImage('oldest', [A]);
    await pullImage('older', [B]);
    await pullImage('new', [C]);
    await pullImage('oldest', [A]);
    threeLayers();
    const { removal, availableBytes } = await store.evictFor({ resource: 'bytes', amount: LAYER_BYTES });
    expect(removal).toMatchObject({ names: ['example.org/older:1'], layers: [B] });
    expect(availableBytes).toBe(1.5 * LAYER_BYTES);
    expect(names('data/layers')).toEqual([A, C]);
  });

  it('takes what no image needs first', async () => {
    await pullImage('app', [A]);
    await publish(B);
    await publish(C);
    threeLayers();
    expect((await store.evictFor({ resource: 'bytes', amount: 2 * LAYER_BYTES })).removal).toMatchObject({ names: [] });
    expect(names('data/layers')).toEqual([A]);
  });

  it('leaves alone images that are mounted or whose layers a pull holds', async () => {
    await pullImage('mounted', [A]);
    await mountImage('mounted', [A]);
    await pullImage('pulled', [B]);
    const lease = store.openLease();
    await lease.hold(B);
    threeLayers();
    expect((await store.evictFor({ resource: 'bytes', amount: 10 * LAYER_BYTES })).removal).toMatchObject({
      names: [],
      layers: [],
    });
    expect(store.listImages()).toHaveLength(2);
    lease.release();
  });

  it('lets two images that share their layers go together', async () => {
    await pullImage('one', [A]);
    await pullImage('two', [A]);
    threeLayers();
    expect((await store.evictFor({ resource: 'bytes', amount: 3 * LAYER_BYTES })).removal.layers).toEqual([A]);
  });

  it('evicts for inodes and for a quota until these are met', async () => {
    for (const [name, key] of [
      ['one', A],
      ['two', B],
      ['three', C],
    ] as const)
      await pullImage(name, [key]);
    threeLayers();
    const inodes = await store.evictFor({ resource: 'inodes', amount: 0 });
    expect(inodes.removal.names).toEqual([]);
    const quota = await store.evictFor({ resource: 'quota', amount: 1 });
    expect(quota.removal.names).toEqual(['example.org/one:1']);
    expect(quota.removal.freedBytes).toBeGreaterThan(0);
  });

  it('removes of a failed pull only what no image and no other pull needs', async () => {
    await pullImage('app', [A]);
    await publish(B);
    await publish(C);
    const removal = await store.removeUnused(new Set([A, B]));
    expect(removal).toMatchObject({ names: [], images: [], layers: [B] });
    expect(names('data/layers').sort()).toEqual([A, C].sort());
  });

  it('stops waiting for another removal when it is cancelled', async () => {
    const lock = tryLockFile(scratch.join('state/lock/prune'), 'exclusive');
    const abort = new AbortController();
    const waits = [
      () => store.evictFor({ resource: 'bytes', amount: 1 }, abort.signal),
      () => store.prune({ all: true, signal: abort.signal }),
      () => store.removeImages([{ kind: 'name', reference: 'x' }], abort.signal),
    ].map((wait) => expectFailure('PULL_CANCELLED', wait));
    abort.abort(new Error('enough'));
    await Promise.all(waits);
    lock?.release({ remove: true });
  });

  it('evicts before a pull is refused, and refuses with need and have', async () => {
    await pullImage('app', [A, B, C]);
    threeLayers();
    const need = { compressedBytes: 3 * LAYER_BYTES, estimatedBytes: 3 * LAYER_BYTES };
    expect(await store.checkSpace(need)).toMatchObject({ verdict: 'fits', removal: { names: ['example.org/app:1'] } });
    expect(names('data/layers')).toEqual([]);
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () =>
      store.checkSpace({ compressedBytes: 4 * LAYER_BYTES, estimatedBytes: 4 * LAYER_BYTES }),
    );
    expect(error.message).toContain('would have to have');
    expect(error.context).toMatchObject({ expected: 4 * LAYER_BYTES, actual: 3.5 * LAYER_BYTES, size: sizeBytes });
  });

  it('refuses what cannot fit without any image before it removes one, and says how large the store must be', async () => {
    await pullImage('app', [A, B]);
    await pullImage('mounted', [C]);
    await mountImage('mounted', [C]);
    sizeBytes = 3.5 * LAYER_BYTES;
    threeLayers();
    const need = { compressedBytes: 3.5 * LAYER_BYTES, estimatedBytes: 4 * LAYER_BYTES };
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => store.checkSpace(need));
    expect(names('data/layers')).toEqual([A, B, C]);
    expect(store.listImages()).toHaveLength(2);
    expect(error.message).toMatch(/free after removing 0 unused images, at most [0-9]+ without all others/);
    const wanted = Number(/would have to have ([0-9]+)$/.exec(error.message)?.[1]);
    expect(wanted).toBeGreaterThan(sizeBytes);
    expect(wanted).toBeLessThanOrEqual(4.5 * LAYER_BYTES);
    expect(error.hint).not.toContain('remove unused images');
  });

  it('keeps the room that is to stay free, an eighth at most, but not from a pull that fetches nothing', async () => {
    threeLayers();
    const strict = await open({ minFreeBytes: 3 * LAYER_BYTES });
    expect(await strict.checkSpace({ compressedBytes: 0.5 * LAYER_BYTES, estimatedBytes: 0 })).toBeDefined();
    await expectFailure('STORE_SPACE_EXHAUSTED', () =>
      strict.checkSpace({ compressedBytes: LAYER_BYTES, estimatedBytes: LAYER_BYTES }),
    );
    sizeBytes = 8 * LAYER_BYTES;
    expect(await strict.checkSpace({ compressedBytes: 2 * LAYER_BYTES, estimatedBytes: 0 })).toBeDefined();
    freeBytes = () => 0;
    expect(await strict.checkSpace({ compressedBytes: 0, estimatedBytes: 0 })).toMatchObject({ verdict: 'fits' });
    await strict.close();
  });
});

describe('an image of another boot', () => {
  it('is forgotten with all the rest', async () => {
    await pullImage('app', [A]);
    await store.close();
    store = await open({ bootId: '99999999-2222-3333-4444-555555555555' });
    expect(store.listImages()).toEqual([]);
    expect(existsSync(scratch.join('data/layers', A))).toBe(false);
  });
});

describe('the signatures of images', () => {
  const signature = (text: string, bytes = 10) => {
    const rawBytes = Buffer.alloc(bytes, text);
    return { rawBytes, mediaType: '', annotations: {}, origin: text };
  };
  const keptOf = (name: string, from = store) => from.getSignatures(digestOf(name)).map(({ origin }) => origin);
  const signed = () => ['app', 'other', 'third'].filter((name) => keptOf(name).length > 0);

  /** Opens the store with other limits, for as long as the test lasts. */
  async function limited(changes: Partial<typeof DEFAULT_LIMITS>): Promise<void> {
    await store.close();
    store = await open({ limits: { ...DEFAULT_LIMITS, ...changes } });
  }

  it('are told as they were put, and replaced as a whole', async () => {
    expect(keptOf('app')).toEqual([]);
    store.putSignatures(digestOf('app'), [signature('b'), signature('a')]);
    expect(store.getSignatures(digestOf('app'))).toEqual([signature('b'), signature('a')]);
    store.putSignatures(digestOf('app'), [signature('c')]);
    expect([keptOf('app'), keptOf('other')]).toEqual([['c'], []]);
    store.putSignatures(digestOf('app'), []);
    expect([keptOf('app'), names('state/signatures')]).toEqual([[], []]);
  });

  it('go with their image, whichever way it is removed', async () => {
    for (const name of ['app', 'other', 'third']) {
      await pullImage(name, [A]);
      store.putSignatures(digestOf(name), [signature(name)]);
    }
    await remove('app:1');
    expect(signed()).toEqual(['other', 'third']);
    await mountImage('third', [A]);
    await store.prune({ all: true });
    expect(signed()).toEqual(['third']);
  });

  it('of an image that was never finished go with the next removal, except while its pull runs', async () => {
    store.putSignatures(digestOf('app'), [signature('app')]);
    const lease = store.openLease();
    await lease.hold(digestOf('app'));
    await store.prune({ all: false });
    expect(signed()).toEqual(['app']);
    lease.release();
    await store.prune({ all: false });
    expect([signed(), names('state/signatures')]).toEqual([[], []]);
  });

  it('are at most maxKeptSignatures of one image, the first ones', async () => {
    await limited({ maxKeptSignatures: 2 });
    store.putSignatures(
      digestOf('app'),
      ['a', 'b', 'c'].map((text) => signature(text)),
    );
    expect(keptOf('app')).toEqual(['a', 'b']);
    // Also those that were kept with another limit.
    await limited({ maxKeptSignatures: 1 });
    expect(keptOf('app')).toEqual(['a']);
  });

  it('have at most maxKeptSignatureBytes for one image, and one that is too large makes no other go', async () => {
    await limited({ maxKeptSignatureBytes: 1_000 });
    const all = [signature('large', 900), signature('a', 100), signature('b', 100), signature('c', 400)];
    store.putSignatures(digestOf('app'), all);
    expect(keptOf('app')).toEqual(['a', 'b']);
    store.putSignatures(digestOf('app'), [signature('large', 900)]);
    expect(keptOf('app')).toEqual([]);
    store.putSignatures(digestOf('other'), [signature('a', 500)]);
    // Not even read when the record is larger than may be now.
    await limited({ maxKeptSignatureBytes: 500 });
    expect(keptOf('other')).toEqual([]);
  });

  it.each([
    ['maxSignedImages', 2],
    ['maxStoreSignatureBytes', 800],
  ] as const)('are bounded by %s for all images, and those of the oldest image go', async (limit, most) => {
    await limited({ [limit]: most });
    for (const name of ['other', 'app', 'third']) {
      await pullImage(name, [A]);
      store.putSignatures(digestOf(name), [signature(name, 100)]);
    }
    expect(signed()).toEqual(['app', 'third']);
    // What is there counts once when it is replaced.
    store.putSignatures(digestOf('app'), [signature('app again', 100)]);
    expect(signed()).toEqual(['app', 'third']);
    // A pull that has not ended is older than any image.
    store.putSignatures(digestOf('fourth'), [signature('fourth', 100)]);
    expect(keptOf('fourth')).toEqual(['fourth']);
    store.putSignatures(digestOf('fifth'), [signature('fifth', 100)]);
    expect([keptOf('fourth'), keptOf('fifth'), signed()]).toEqual([[], ['fifth'], ['third']]);
  });

  it('of one image are not kept when they alone exceed maxStoreSignatureBytes, and no other goes for them', async () => {
    await limited({ maxStoreSignatureBytes: 700 });
    store.putSignatures(digestOf('app'), [signature('app', 100)]);
    store.putSignatures(digestOf('other'), [signature('other', 600)]);
    expect(signed()).toEqual(['app']);
  });
});
