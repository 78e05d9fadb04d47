import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tryLockFile } from '../../../src/store/lock-file.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { layerKey, openTestStore } from '../../support/stores/store-fixtures.ts';
import { type StorePeer, startStorePeer } from '../../support/stores/store-peer.ts';

const KEY = layerKey();

let scratch: Scratch;
let peers: StorePeer[];

beforeEach(() => {
  scratch = new Scratch('processes');
  peers = [];
});

afterEach(async () => {
  for (const peer of peers) await peer.kill();
  scratch[Symbol.dispose]();
});

function start(name: string, stopAt?: string, task?: Parameters<typeof startStorePeer>[3]): StorePeer {
  const peer = startStorePeer(scratch.path, name, stopAt, task);
  peers.push(peer);
  return peer;
}

const names = (...parts: string[]) => readdirSync(scratch.join(...parts));

describe('two processes on one store', () => {
  it('make a layer once, and both have it', async () => {
    const both = [start('one'), start('two')];
    expect(await Promise.all(both.map((peer) => peer.ended()))).toEqual([0, 0]);
    expect(both.map(({ lines }) => lines.at(-1))).toEqual(['has published', 'has published']);
    expect(both.filter(({ lines }) => lines.includes('at making'))).toHaveLength(1);
    expect(names('data/layers')).toEqual([KEY]);
    expect([names('data/staging'), names('data/trash'), names('state/lock')]).toEqual([[], [], ['store']]);
  });

  it('exclude each other by flock, which ends with its holder', async () => {
    const peer = start('one', 'making');
    await peer.said('at making');
    const lock = scratch.join('state/lock', `layer-${KEY}`);
    expect(tryLockFile(lock, 'exclusive')).toBeUndefined();
    expect(tryLockFile(scratch.join('state/lock/store'), 'exclusive')).toBeUndefined();
    const shared = tryLockFile(scratch.join('state/lock/store'), 'shared');
    expect(shared).toBeDefined();
    shared?.release();
    await peer.kill();
    const free = tryLockFile(lock, 'exclusive');
    expect(free).toBeDefined();
    free?.release();
  });

  it('take over from one that is killed, while the other waits', async () => {
    const leader = start('leader', 'content-written');
    await leader.said('at content-written');
    const follower = start('follower');
    await follower.said('at store-opened');
    expect(names('data/staging')).toHaveLength(1);
    await leader.kill();
    expect(await follower.ended()).toBe(0);
    expect(names('data/layers', KEY)).toEqual(['follower']);
  });

  it('leave the work of the other alone when one opens the store', async () => {
    const worker = start('one', 'content-written');
    await worker.said('at content-written');
    const staging = names('data/staging');
    const store = await openTestStore(scratch.path);
    expect(names('data/staging')).toEqual(staging);
    await store.close();
    expect(existsSync(scratch.join('data/staging', staging[0] ?? '', 'one'))).toBe(true);
  });
});

describe('removing beside a pull of another process', () => {
  it.each(['held', 'content-written', 'record-written', 'published', 'layer-ready'])(
    'leaves alone what the pull works with, at "%s"',
    async (moment) => {
      const pull = start('one', moment);
      await pull.said(`at ${moment}`);
      const before = [...names('data/layers'), ...names('data/staging'), ...names('state/layers')];
      const prune = start('one', '', 'prune-all');
      expect(await prune.ended()).toBe(0);
      expect(prune.lines.at(-1)).toBe('removed 0 layers');
      expect([...names('data/layers'), ...names('data/staging'), ...names('state/layers')]).toEqual(before);
    },
  );

  it('takes what a pull that was killed had worked with', async () => {
    const pull = start('one', 'layer-ready');
    await pull.said('at layer-ready');
    await pull.kill();
    const prune = start('one', '', 'prune');
    expect(await prune.ended()).toBe(0);
    expect(prune.lines.at(-1)).toBe('removed 1 layers');
    expect([names('data/layers'), names('data/trash'), names('state/lock')]).toEqual([[], [], ['store']]);
  });

  it('races with a pull of a layer that no image needs yet, and the pull has it in the end', async () => {
    const dead = start('one', 'layer-ready');
    await dead.said('at layer-ready');
    await dead.kill();
    const both = [start('', '', 'prune'), start('two')];
    expect(await Promise.all(both.map((peer) => peer.ended()))).toEqual([0, 0]);
    const store = await openTestStore(scratch.path);
    expect(await store.findLayer(KEY)).toMatchObject({ kind: 'published' });
    expect(store.listImages().flatMap((image) => image.names)).toContain('example.org/two:1');
    await store.close();
  });

  it('happens once when two processes do it', async () => {
    expect(await start('one').ended()).toBe(0);
    const both = [start('', '', 'prune-all'), start('', '', 'prune-all')];
    expect(await Promise.all(both.map((peer) => peer.ended()))).toEqual([0, 0]);
    expect(both.map(({ lines }) => lines.at(-1)).sort()).toEqual(['removed 0 layers', 'removed 1 layers']);
    expect([names('data/layers'), names('data/trash'), names('state/lock')]).toEqual([[], [], ['store']]);
  });

  it('refuses to remove an image that is being pulled again', async () => {
    expect(await start('one').ended()).toBe(0);
    const pull = start('one', 'held');
    await pull.said('at held');
    const removal = start('one', '', 'rm');
    expect(await removal.ended()).toBe(0);
    expect(removal.lines.at(-1)).toBe('refused STORE_IMAGE_IN_USE');
    expect(names('state/images')).toHaveLength(1);
    await pull.kill();
    const again = start('one', '', 'rm');
    expect(await again.ended()).toBe(0);
    expect(again.lines.at(-1)).toBe('removed 1 layers');
    expect([names('state/images'), names('state/names'), names('data/layers')]).toEqual([[], [], []]);
  });
});

describe('a process that is killed', () => {
  it.each([
    ['before it stages', 'making'],
    ['with an empty staging', 'staging-made'],
    ['with a staging that holds files', 'content-written'],
    ['between record and rename', 'record-written'],
  ])('%s leaves nothing visible, and the next start cleans up', async (_, moment) => {
    const peer = start('one', moment);
    await peer.said(`at ${moment}`);
    await peer.kill();

    const store = await openTestStore(scratch.path);
    expect(await store.findLayer(KEY)).toBeUndefined();
    expect([names('data/layers'), names('data/staging'), names('state/layers')]).toEqual([[], [], []]);
    await store.close();
    expect([names('data/trash'), names('state/lock')]).toEqual([[], ['store']]);

    const next = start('two');
    expect(await next.ended()).toBe(0);
    expect(names('data/layers', KEY)).toEqual(['two']);
  });

  it('after the rename leaves a whole layer', async () => {
    const peer = start('one', 'published');
    await peer.said('at published');
    await peer.kill();
    const store = await openTestStore(scratch.path);
    expect(await store.findLayer(KEY)).toMatchObject({ kind: 'published' });
    expect(names('data/layers', KEY)).toEqual(['one']);
    await store.close();
  });

  it('leaves staging that a start beside a living neighbour removes too', async () => {
    const dead = start('one', 'content-written');
    await dead.said('at content-written');
    const neighbour = await openTestStore(scratch.path);
    await dead.kill();
    expect(names('data/staging')).toHaveLength(1);
    const next = await openTestStore(scratch.path);
    expect(names('data/staging')).toEqual([]);
    await next.close();
    await neighbour.close();
  });
});
