import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STAGED_IMAGE } from '../../../src/layer-formats/formats.ts';
import { formatLayerKey, type LayerImage } from '../../../src/layer-formats/index.ts';
import type { KnownLayer, Store } from '../../../src/store/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  DIFF_ID,
  FACTS,
  inlineRunner,
  layerKey,
  openTestStore,
  type StoreOperation,
} from '../../support/stores/store-fixtures.ts';

const KEY = formatLayerKey({
  format: 'erofs',
  writerVersion: 1,
  kind: 'diffid',
  hex: '0e'.repeat(32),
  domain: undefined,
});
const FILE = `${KEY}.erofs`;
const CONTENT = Buffer.alloc(3 * 4096, 7);
const IMAGE: LayerImage = { bytes: CONTENT.length, verity: { rootHash: 'ab'.repeat(32), hashOffset: 8192 } };

let scratch: Scratch;
let store: Store;
let before: (operation: StoreOperation) => void;

beforeEach(async () => {
  scratch = new Scratch('layer-images');
  before = () => undefined;
  store = await open();
});

afterEach(async () => {
  await store.close();
  scratch[Symbol.dispose]();
});

function open(): Promise<Store> {
  return openTestStore(scratch.path, { runOperation: inlineRunner((operation) => before(operation)) });
}

const names = (...parts: string[]) => readdirSync(scratch.join(...parts)).sort();
const leftovers = () => [names('data/staging'), names('data/trash'), names('state/lock')];
const CLEAN = [[], [], ['store']];

function make(image: LayerImage | undefined = IMAGE): Promise<KnownLayer> {
  return store.withLayer(KEY, async () => {
    const staging = await store.stageLayer(KEY, DIFF_ID);
    try {
      writeFileSync(`${staging.directory}/${STAGED_IMAGE}`, CONTENT);
      return await staging.publish(FACTS, image);
    } finally {
      await staging.discard();
    }
  });
}

describe('a layer in the erofs format', () => {
  it('is the very file of its staging under its key, with what is known of it in its record', async () => {
    let inode = 0;
    before = ({ kind }) => {
      const staging = scratch.join('data/staging', names('data/staging')[0] ?? '', STAGED_IMAGE);
      if (kind === 'publishLayer') inode = lstatSync(staging).ino;
    };
    const known = await make();
    const path = scratch.join('data/layers', FILE);
    expect(known).toMatchObject({
      kind: 'published',
      layer: { path, record: { key: KEY, image: IMAGE, diskBytes: lstatSync(path).blocks * 512 } },
    });
    expect(lstatSync(path).ino).toBe(inode);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(leftovers()).toEqual(CLEAN);
    expect(await store.findLayer(KEY)).toEqual(known);
  });

  it('may come without a hash tree', async () => {
    const known = await make({ bytes: CONTENT.length });
    expect(known).toMatchObject({ layer: { record: { image: { bytes: CONTENT.length } } } });
    expect(await store.findLayer(KEY)).toEqual(known);
  });

  it('lies beside layers that are directories', async () => {
    await make();
    await store.withLayer(layerKey(), async () => (await store.stageLayer(layerKey(), DIFF_ID)).publish(FACTS));
    await store.close();
    store = await open();
    expect(names('data/layers')).toEqual([layerKey(), FILE]);
    expect(await store.findLayer(KEY)).toBeDefined();
  });

  it('is refused when its file is of another length than its writer says', async () => {
    await expectFailure('STORE_STAGING_ALTERED', () => make({ bytes: CONTENT.length - 1 }));
    expect([names('data/layers'), names('state/layers')]).toEqual([[], []]);
    await store.close();
    expect(leftovers()).toEqual(CLEAN);
    store = await open();
  });

  it('is refused without what is known of its image, and a directory with it', async () => {
    const publishDirectory = async () => {
      const staging = await store.stageLayer(layerKey(), DIFF_ID);
      return staging.publish(FACTS, IMAGE).finally(() => staging.discard());
    };
    const bare = async () => {
      const staging = await store.stageLayer(KEY, DIFF_ID);
      return staging.publish(FACTS).finally(() => staging.discard());
    };
    await expectFailure('INTERNAL', () => store.withLayer(KEY, bare));
    await expectFailure('INTERNAL', () => store.withLayer(layerKey(), publishDirectory));
    expect(names('data/layers')).toEqual([]);
  });

  it('does not replace one that another process has put there', async () => {
    before = ({ kind }) => {
      if (kind === 'publishLayer') writeFileSync(scratch.join('data/layers', FILE), 'theirs');
    };
    await make();
    expect(readFileSync(scratch.join('data/layers', FILE), 'utf8')).toBe('theirs');
    await store.close();
    expect(leftovers()).toEqual(CLEAN);
    store = await open();
  });

  it('goes to the trash when no image needs it', async () => {
    await make();
    const removal = await store.prune({ all: false });
    expect(removal.layers).toEqual([KEY]);
    expect(removal.freedBytes).toBeGreaterThanOrEqual(CONTENT.length);
    expect([names('data/layers'), names('state/layers')]).toEqual([[], []]);
    expect(leftovers()).toEqual(CLEAN);
  });

  it.each<[string, (path: string) => void]>([
    ['its file is gone', (path) => rmSync(path)],
    [
      'a directory lies in its place',
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
    ['its record is gone', () => rmSync(scratch.join('state/layers', `${KEY}.json`))],
    [
      'its record has a root hash that is none',
      () => {
        const record = scratch.join('state/layers', `${KEY}.json`);
        writeFileSync(record, readFileSync(record, 'utf8').replace('ab'.repeat(32), 'zz'));
      },
    ],
  ])('counts as absent when %s, and the next pull makes it again', async (_, damage) => {
    await make();
    damage(scratch.join('data/layers', FILE));
    expect(await store.findLayer(KEY)).toBeUndefined();
    await make();
    expect(readFileSync(scratch.join('data/layers', FILE)).equals(CONTENT)).toBe(true);
  });
});

describe('recovery at open', () => {
  it('removes an image without a record, and names that no layer has', async () => {
    await store.close();
    for (const name of [FILE, KEY, `${layerKey()}.erofs`, 'odd.erofs']) {
      writeFileSync(scratch.join('data/layers', name), '');
    }
    store = await open();
    expect(names('data/layers')).toEqual([]);
  });

  it('removes the staging of one that was cut short', async () => {
    const staging = await store.stageLayer(KEY, DIFF_ID);
    writeFileSync(`${staging.directory}/${STAGED_IMAGE}`, CONTENT);
    before = ({ kind }) => {
      if (kind === 'moveToTrash') throw new Error('killed');
    };
    await expect(staging.discard()).rejects.toThrow('killed');
    before = () => undefined;
    await store.close();
    store = await open();
    expect(existsSync(staging.directory)).toBe(false);
    expect(names('data/layers')).toEqual([]);
  });
});
