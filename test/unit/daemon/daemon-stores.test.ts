import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DaemonStores, type StoreAccess } from '../../../src/daemon/daemon-stores.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import type { LayerFormat, StoreBacking } from '../../../src/pull/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const SETTINGS = { minFreeBytes: 0, layerFormat: 'auto', verity: 'auto', allowDirectories: true } as const;
const FAILED = new SealiftError('VOLUME_DEVICE_FAILED', 'image store: read error');

/** Stores that record the calls that they receive. */
describe('DaemonStores', () => {
  let scratch: Scratch;
  let calls: string[];
  let stuckThreads: number;
  let current: StoreBacking | SealiftError;
  let format: LayerFormat;

  const memory = (): StoreBacking => {
    return { ...SETTINGS, dataDir: '/memory', stateDir: scratch.join('memory'), trees: 'unused' };
  };
  /** `name` is the name of the mapping, which differs each time that the disk is formatted. */
  const disk = (name: string): StoreBacking => {
    return { ...SETTINGS, dataDir: '/disk', stateDir: scratch.join(name), trees: 'required' };
  };

  function accessStore({ stateDir }: StoreBacking): StoreAccess {
    const name = stateDir.slice(stateDir.lastIndexOf('/') + 1);
    return {
      sweep: async ({ prune }) => void calls.push(`${name}: ${prune ? 'sweep and prune' : 'sweep'}`),
      sweepLayerMounts: async () => void calls.push(`${name}: sweep mounts`),
      chooseLayerFormat: async (dataDir) => {
        calls.push(`${name}: probe ${dataDir}`);
        return format;
      },
    };
  }

  function open(): DaemonStores {
    return new DaemonStores({
      currentBacking: async () => {
        calls.push('look at the volume');
        if (current instanceof SealiftError) throw current;
        return current;
      },
      memoryBacking: memory(),
      accessStore,
      stuckThreads: () => stuckThreads,
    });
  }

  /** Returns the calls of a sweep to the stores. */
  async function swept(stores: DaemonStores): Promise<readonly string[]> {
    calls = [];
    await Promise.allSettled([stores.sweep()]);
    return calls.filter((call) => call !== 'look at the volume');
  }

  beforeEach(() => {
    scratch = new Scratch('daemon-stores');
    calls = [];
    stuckThreads = 0;
    current = memory();
    format = { format: 'erofs', verity: true };
  });
  afterEach(() => scratch[Symbol.dispose]());

  describe('sweep', () => {
    it('sweeps the current store and prunes nothing of it', async () => {
      expect(await swept(open())).toEqual(['memory: sweep']);
    });

    it('keeps sweeping memory when a disk comes, and prunes what no container uses there', async () => {
      const stores = open();
      await stores.current();
      current = disk('one');
      expect(await swept(stores)).toEqual(['memory: sweep and prune', 'one: sweep']);
    });

    it('finds the memory of an earlier run by its state directory', async () => {
      current = disk('one');
      expect(await swept(open())).toEqual(['one: sweep']);
      mkdirSync(memory().stateDir);
      expect(await swept(open())).toEqual(['memory: sweep and prune', 'one: sweep']);
    });

    it('sweeps memory although the disk has failed, and of the disk only the mounts', async () => {
      const stores = open();
      await stores.current();
      current = disk('one');
      await stores.current();
      current = FAILED;
      expect(await swept(stores)).toEqual(['memory: sweep', 'one: sweep mounts']);
      await expectFailure('VOLUME_DEVICE_FAILED', () => stores.sweep());
    });

    it('asks nothing of a disk that hangs', async () => {
      current = disk('one');
      const stores = open();
      await stores.current();
      stuckThreads = 2;
      calls = [];
      const error = await expectFailure('STORE_STALLED', () => stores.sweep());
      expect(error.context).toEqual({ stuckThreads: 2 });
      expect(calls).toEqual([]);
    });

    it('forgets the index of a disk that was formatted again', async () => {
      const stores = open();
      for (const name of ['one', 'two']) {
        current = disk(name);
        await stores.current();
      }
      expect(await swept(stores)).toEqual(['two: sweep']);
    });
  });

  describe('chooseLayerFormat', () => {
    it('probes a store until images work there, and no longer', async () => {
      const stores = open();
      format = { format: 'directory', verity: false };
      for (let count = 0; count < 2; count += 1) expect(await stores.chooseLayerFormat(memory())).toEqual(format);
      format = { format: 'erofs', verity: true };
      for (let count = 0; count < 2; count += 1) expect(await stores.chooseLayerFormat(memory())).toEqual(format);
      expect(calls).toHaveLength(3);
    });

    it('probes each store, and again after a reload of its settings', async () => {
      const stores = open();
      await stores.chooseLayerFormat(memory());
      await stores.chooseLayerFormat(disk('one'));
      await stores.chooseLayerFormat({ ...memory(), verity: 'always' });
      expect(calls).toEqual(['memory: probe /memory', 'one: probe /disk', 'memory: probe /memory']);
    });
  });

  describe('lookAtDisk', () => {
    it('probes the volume when threads start to hang, and when they no longer do', async () => {
      const stores = open();
      for (stuckThreads of [0, 1, 2, 0, 0]) await stores.lookAtDisk();
      expect(calls).toEqual(['look at the volume', 'look at the volume']);
    });
  });
});
