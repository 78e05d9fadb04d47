import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { formatLayerKey, type LayerFormatName } from '../../../src/layer-formats/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createSnapshotter, type LayerLease } from '../../../src/snapshot/index.ts';
import type { SnapshotLayer } from '../../../src/snapshot/types.ts';
import type { Store } from '../../../src/store/index.ts';
import { dir, file, type TarMember, whiteout } from '../../support/builders/tar-builder.ts';
import { loopsBelow } from '../../support/machine/loops.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  inlineSnapshotRunner,
  makeImageLayer,
  makeLayer,
  type SnapshotOperation,
  testLayerMounts,
} from '../../support/stores/snapshot-fixtures.ts';
import { openTestStore } from '../../support/stores/store-fixtures.ts';

const IMAGE = `sha256:${'ab'.repeat(32)}`;
const STICKY = { mode: 0o1777, uid: 7, gid: 8 };
/** Keys name directories and locks, so they are those of real layers. */
const key = (format: LayerFormatName, digit: number) =>
  formatLayerKey({ format, writerVersion: 1, kind: 'diffid', hex: String(digit).repeat(64), domain: undefined });

let scratch: Scratch;
let store: Store;
let refuse: (operation: SnapshotOperation) => void;
/** Others' namespaces may have copied our mounts, so tests look at those of this one. */
let mountedElsewhere: Set<string>;

beforeEach(async () => {
  scratch = new Scratch('layer-mounts');
  store = await openTestStore(scratch.path);
  refuse = () => undefined;
  mountedElsewhere = new Set();
});

afterEach(async () => {
  await unmountBelow(scratch.path);
  await store.close();
  scratch[Symbol.dispose]();
});

function mountedHere(ids: readonly string[]): ReadonlySet<string> {
  const mountinfo = readFileSync('/proc/self/mountinfo', 'latin1');
  return new Set(ids.filter((id) => mountinfo.includes(`/${id}/upper`) || mountedElsewhere.has(id)));
}

function layerMounts(lockTimeoutMs = 300_000) {
  const runner = inlineSnapshotRunner((operation) => refuse(operation));
  return testLayerMounts(store, runner, { mountedUppers: mountedHere, lockTimeoutMs });
}

function snapshotter() {
  return createSnapshotter({
    limits: DEFAULT_LIMITS,
    runOperation: inlineSnapshotRunner((operation) => refuse(operation)),
    store,
    layerMounts: layerMounts(),
    checkpoint: () => undefined,
    isUpperMounted: (id) => mountedHere([id]).size > 0,
  });
}

const layersDir = (name: string) => {
  mkdirSync(scratch.join('made'), { recursive: true });
  return scratch.join('made', name);
};
const imageLayer = (digit: number, ...members: TarMember[]) => makeImageLayer(layersDir(key('erofs', digit)), members);
const directoryLayer = (digit: number, ...members: TarMember[]) =>
  makeLayer(layersDir(key('directory', digit)), members);

function mount(name: string, ...layers: SnapshotLayer[]) {
  const path = scratch.join(name);
  mkdirSync(path);
  return snapshotter().mount({ layers, target: { path, heldFd: undefined }, imageDigest: IMAGE, call: {} });
}

const unmount = (name: string) => snapshotter().unmount(scratch.join(name));
const layerMountPoints = () => readdirSync(store.layerMountsDir);
const nothingIsLeft = () =>
  expect({
    mounts: mountsBelow(scratch.path),
    loops: [...loopsBelow(scratch.path)],
    mountPoints: layerMountPoints(),
    locks: readdirSync(scratch.join('state/lock')),
  }).toEqual({ mounts: [], loops: [], mountPoints: [], locks: ['store'] });

describeWith(['root', 'mkfs.erofs'], 'a snapshot of layer images', () => {
  it('shows them as it shows directories, in chains of both', async () => {
    const base = imageLayer(1, dir('tmp', STICKY), file('who', 'base'), file('gone'), file('base'));
    const middle = directoryLayer(2, whiteout('gone'), file('tmp/x', 'x'), file('who', 'middle'));
    const top = imageLayer(3, whiteout('base'), file('who', 'top'));
    await mount('rootfs', base, middle, top, base, top);
    expect(readdirSync(scratch.join('rootfs')).sort()).toEqual(['gone', 'tmp', 'who']);
    await unmount('rootfs');
    await mount('other', base, middle, top);
    expect(readdirSync(scratch.join('other')).sort()).toEqual(['tmp', 'who']);
    expect(readFileSync(scratch.join('other/who'), 'utf8')).toBe('top');
    expect(statSync(scratch.join('other/tmp'))).toMatchObject({ mode: 0o41777, uid: 7, gid: 8 });
    writeFileSync(scratch.join('other/new'), '');
    await unmount('other');
    nothingIsLeft();
  });

  it('mounts each image once for twenty containers, and unmounts it after the last', async () => {
    const layers = [imageLayer(1, file('a')), imageLayer(2, file('b'))];
    const names = Array.from({ length: 20 }, (_, index) => `rootfs-${index}`);
    for (const name of names) await mount(name, ...layers);
    expect(loopsBelow(scratch.path).size).toBe(2);
    expect(layerMountPoints()).toHaveLength(2);
    for (const name of names.slice(1)) await unmount(name);
    expect(layerMountPoints()).toHaveLength(2);
    await unmount(names[0] ?? '');
    nothingIsLeft();
  });

  it('mounts and unmounts many in several operations, so that other pulls come between', async () => {
    const { path, paths } = imageLayer(0, file('a'));
    const layers = Array.from({ length: 40 }, (_, at) => {
      const hex = String(10 + at).repeat(32);
      const name = formatLayerKey({ format: 'erofs', writerVersion: 1, kind: 'diffid', hex, domain: undefined });
      return { path, record: { key: name }, paths };
    });
    const sizes: number[] = [];
    refuse = ({ kind, request }) => {
      if (kind === 'mountLayerImages') sizes.push(request.images.length);
      if (kind === 'sweepLayerMounts') sizes.push(request.keys.length);
    };
    const mounts = layerMounts();
    const lease = mounts.lease();
    await lease.open(layers);
    expect(layerMountPoints()).toHaveLength(40);
    lease.release();
    await mounts.sweep();
    expect(sizes).toEqual([32, 8, 32, 8]);
    nothingIsLeft();
  });

  it('keeps an image mounted while a container has the rootfs in a namespace of its own', async () => {
    const { id } = await mount('rootfs', imageLayer(1, file('a')));
    mountedElsewhere.add(id);
    await unmount('rootfs');
    expect(layerMountPoints()).toEqual([key('erofs', 1)]);
    mountedElsewhere.clear();
    await unmount('rootfs');
    nothingIsLeft();
  });

  it.each(['prepareUpper', 'mountSnapshot'] as const)('leaves nothing when %s fails', async (kind) => {
    const layers = [imageLayer(1, file('a')), imageLayer(2, file('b'))];
    refuse = (operation) => {
      if (operation.kind === kind) throw new SealiftError('SNAPSHOT_MOUNT_FAILED', 'disk gone');
    };
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mount('rootfs', ...layers));
    nothingIsLeft();
    expect(store.listMounts()).toEqual([]);
  });

  it('leaves nothing when the second of two images is none', async () => {
    const layers = [imageLayer(1, file('a')), imageLayer(2, file('b'))];
    writeFileSync(layers[1]?.path ?? '', Buffer.alloc(8192));
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mount('rootfs', ...layers));
    nothingIsLeft();
    expect(store.listMounts()).toEqual([]);
  });
});

describeWith(['root', 'mkfs.erofs'], 'a lease on layer mounts', () => {
  async function directoryOf(lease: LayerLease, layer: SnapshotLayer): Promise<string | undefined> {
    const [readable] = await lease.open([layer]);
    return readable?.directory;
  }

  it('answers the directory of a layer that is one, and mounts nothing', async () => {
    const layer = directoryLayer(1, file('a'));
    expect(await directoryOf(layerMounts().lease(), layer)).toBe(layer.path);
    expect(mountsBelow(scratch.path)).toEqual([]);
  });

  it('keeps an image mounted, whoever sweeps, until it is released', async () => {
    const mounts = layerMounts();
    const leases = [mounts.lease(), mounts.lease()];
    for (const lease of leases) await lease.open([imageLayerOnce()]);
    for (const lease of leases) {
      await layerMounts().sweep();
      expect(readFileSync(`${store.layerMountsDir}/${key('erofs', 1)}/a`, 'utf8')).toBe('content');
      lease.release();
      lease.release();
    }
    await mounts.sweep();
    nothingIsLeft();
  });

  let once: SnapshotLayer | undefined;
  beforeEach(() => {
    once = undefined;
  });
  function imageLayerOnce(): SnapshotLayer {
    once ??= imageLayer(1, file('a', 'content'));
    return once;
  }

  it('shows an image without the hash tree that follows it', async () => {
    const layer = imageLayerOnce();
    const bytes = statSync(layer.path).size;
    writeFileSync(layer.path, Buffer.alloc(4096), { flag: 'a' });
    const image = { bytes: bytes + 4096, verity: { hashOffset: bytes, rootHash: '0'.repeat(64) } };
    const lease = layerMounts().lease();
    await lease.open([{ ...layer, record: { ...layer.record, image } }]);
    const [name = ''] = loopsBelow(scratch.path).keys();
    expect(Number(readFileSync(`/sys/block/${name}/size`, 'utf8')) * 512).toBe(bytes);
    lease.release();
    await layerMounts().sweep();
    nothingIsLeft();
  });

  it.each([
    ['an image without a tree', () => imageLayer(1, file('a')), false],
    ['a directory', () => directoryLayer(1, file('a')), false],
    ['an image without a tree, where directories are allowed', () => imageLayer(1, file('a')), true],
  ] as const)('refuses %s where the host can change it, and mounts nothing', async (_, make, allowDirectories) => {
    const runner = inlineSnapshotRunner();
    const mounts = testLayerMounts(store, runner, { verity: 'required', allowDirectories });
    const lease = mounts.lease();
    const error = await expectFailure('SNAPSHOT_TREE_MISSING', () => lease.open([make()]));
    expect(error.kind).toBe('denied');
    lease.release();
    expect(mountsBelow(scratch.path)).toEqual([]);
    expect([...loopsBelow(scratch.path)]).toEqual([]);
  });

  it('takes a directory where the host can change it only if configuration says so', async () => {
    const mounts = testLayerMounts(store, inlineSnapshotRunner(), { verity: 'required', allowDirectories: true });
    const layer = directoryLayer(1, file('a'));
    expect(await directoryOf(mounts.lease(), layer)).toBe(layer.path);
  });

  it('waits for a sweep to end, and not for ever', async () => {
    const layer = imageLayerOnce();
    const sweeping = store.tryMountLock(layer.record.key, 'exclusive');
    const waiting = directoryOf(layerMounts().lease(), layer);
    sweeping?.release({ remove: true });
    expect(await waiting).toBe(`${store.layerMountsDir}/${layer.record.key}`);
    const stuck = store.tryMountLock(key('erofs', 2), 'exclusive');
    const other = { ...layer, record: { ...layer.record, key: key('erofs', 2) } };
    await expectFailure('STORE_LOCK_TIMEOUT', () => layerMounts(20).lease().open([other]));
    stuck?.release({ remove: true });
  });
});
