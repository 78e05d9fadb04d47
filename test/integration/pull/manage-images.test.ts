import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProgressEvent, PullResult } from '../../../src/pull/index.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file, hardlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { expectFailure } from '../../support/matchers.ts';

const isRoot = process.geteuid?.() === 0;
const rootIt = it.skipIf(!isRoot);
const WITHOUT_ROOT = isRoot ? '' : ' (skipped: needs root for a store and for mounts)';
const MIB = 1024 * 1024;

const commands = composeTestCli();
const io = { signal: new AbortController().signal, onProgress: () => {} };

let bed: PullBed;
let settings: Readonly<Record<string, string | number>>;

beforeEach(async () => {
  bed = await PullBed.open();
  settings = { 'store.data': bed.path('data'), 'store.state': bed.path('state') };
});

afterEach(async () => {
  await unmountBelow(bed.directory);
  await bed.close();
});

const common = () => ({ settings, configFile: undefined, debug: false, ofDaemon: false });
const images = async () => (await commands.images(common(), io)).images;
const rm = (...targets: string[]) => commands.rm({ targets, ...common() }, io);
const prune = (all = false) => commands.prune({ all, ...common() }, io);
const umount = (name: string) => commands.umount({ directory: bed.path(name), ...common() }, io);
const names = (path: string) => (existsSync(bed.path(path)) ? readdirSync(bed.path(path)) : []);

function pull(
  reference: string,
  bundle?: string,
  onProgress: (event: ProgressEvent) => void = () => {},
): Promise<PullResult> {
  const target = bundle === undefined ? undefined : ({ kind: 'bundle', directory: bed.path(bundle) } as const);
  return bed.pull(reference, target, { onProgress, settings: { 'store.root': undefined as never, ...settings } });
}

const tree = (name: string): TarMember[] => [dir('./'), file(name, name)];
/** A large file that compresses to almost nothing. */
const large = (name: string, mebibytes: number): TarMember[] => [dir('./'), file(name, name.repeat(mebibytes * MIB))];

describe(`images of a store${WITHOUT_ROOT}`, () => {
  rootIt('are those that were pulled whole, with the layers they share', async () => {
    const one = bed.serveImage([tree('a'), tree('b')], { tag: 'one' });
    bed.serveImage([tree('b'), tree('c')], { tag: 'two' });
    await pull('one');
    await pull('two');
    await pull(one.digest);
    const listed = await images();
    expect(listed.map((image) => image.names)).toEqual([
      [bed.reference('one'), bed.reference(one.digest)].sort(),
      [bed.reference('two')],
    ]);
    expect(listed.map(({ layerKeys }) => layerKeys.length)).toEqual([2, 2]);
    for (const { diskBytes, sharedBytes } of listed) {
      expect(sharedBytes).toBeGreaterThan(0);
      expect(sharedBytes).toBeLessThan(diskBytes);
    }
    expect(listed[0]).toMatchObject({ manifestDigest: one.digest, mounts: [] });
  });

  rootIt('are not named by a part of their digest', async () => {
    const image = bed.serveImage([tree('a')], { tag: 'one' });
    await pull('one');
    const error = await expectFailure('STORE_IMAGE_UNKNOWN', () => rm(image.digest.slice(0, 19)));
    expect(error.message).toContain('expected a digest of 64 hex digits, got 12 characters');
    expect(error.message).not.toContain('docker.io');
    expect(await images()).toHaveLength(1);
  });

  rootIt('are not there after a pull that failed', async () => {
    const image = bed.serveImage([tree('a'), [hardlink('also', 'nothing')]], { tag: 'broken' });
    await expectFailure('UNPACK_ENTRY_INVALID', () => pull('broken'));
    expect(await images()).toEqual([]);
    await expectFailure('STORE_IMAGE_UNKNOWN', () => rm(image.digest));
    expect((await prune()).layers).toHaveLength(1);
    expect([names('data/layers'), names('state/layers'), names('state/manifests/sha256')]).toEqual([[], [], []]);
  });

  rootIt('stay while they are mounted, and go afterwards, with what their containers wrote', async () => {
    const { digest } = bed.serveImage([tree('a')], { tag: 'app' });
    await pull('app', 'bundle');
    expect((await images())[0]?.mounts).toEqual([bed.path('bundle/rootfs')]);
    await expectFailure('STORE_IMAGE_IN_USE', () => rm(bed.reference('app')));
    await expectFailure('STORE_IMAGE_IN_USE', () => rm(digest));
    expect(await prune(true)).toMatchObject({ names: [], images: [], layers: [] });
    await umount('bundle');
    expect(await rm(bed.reference('app'))).toMatchObject({ images: [digest], layers: [expect.any(String)] });
    expect([names('data/layers'), names('data/uppers'), names('data/trash'), names('state/mounts')]).toEqual([
      [],
      [],
      [],
      [],
    ]);
  });

  rootIt('are pulled again without the network as long as all of them is there', async () => {
    const { digest } = bed.serveImage([tree('a'), [hardlink('also', 'a')]]);
    await pull(digest);
    await prune();
    const asked = bed.registry.requests.length;
    await pull(digest);
    expect(bed.registry.requests.length).toBe(asked);
    await rm(digest);
    expect([names('data/layers'), names('state/layers'), names('state/configs/sha256')]).toEqual([[], [], []]);
  });

  rootIt('are named as references are: by default with a tag, and refused when they are none', async () => {
    bed.serveImage([tree('a')], { tag: 'latest' });
    await pull('latest');
    await expectFailure('REFERENCE_INVALID', () => rm('lower/UPPER'));
    await expectFailure('STORE_IMAGE_UNKNOWN', () => rm(`${bed.registry.host}/app:none`));
    expect((await rm(`${bed.registry.host}/app`)).names).toEqual([bed.reference('latest')]);
  });

  rootIt('leave nothing behind after being pulled, mounted and removed again and again', async () => {
    bed.serveImage([tree('a'), tree('b')], { tag: 'one' });
    bed.serveImage([tree('b'), [hardlink('also', 'b')]], { tag: 'two' });
    await pull('one');
    await prune(true);
    const before = [...names('data/layers'), ...names('data/uppers'), ...names('data/trash'), ...names('state/lock')];
    for (let round = 0; round < 3; round += 1) {
      await pull('one', 'first');
      await pull('two', 'second');
      await umount('first');
      await rm(bed.reference('one'));
      await umount('second');
      await prune(true);
    }
    const after = [...names('data/layers'), ...names('data/uppers'), ...names('data/trash'), ...names('state/lock')];
    expect(after).toEqual(before);
    expect([names('state/layers'), names('state/manifests/sha256'), names('state/mounts')]).toEqual([[], [], []]);
  });

  rootIt('get rid of what dead containers left after the next pull', async () => {
    bed.serveImage([tree('a')], { tag: 'app' });
    await pull('app', 'bundle');
    await unmountBelow(bed.directory);
    expect(names('data/uppers')).toHaveLength(1);
    await pull('app');
    expect([names('data/uppers'), names('data/trash'), names('state/mounts')]).toEqual([[], [], []]);
  });
});

describe(`a path at which no store can be${WITHOUT_ROOT}`, () => {
  rootIt.each([
    ['a file', 'file'],
    ['a path below a file', 'file/below'],
    ['a circle of symlinks', 'circle'],
    ['a name that is too long', 'x'.repeat(300)],
  ])('is refused as such: %s', async (_, name) => {
    writeFileSync(bed.path('file'), '');
    symlinkSync('circle', bed.path('circle'));
    settings = { 'store.root': bed.path(name) };
    for (const command of [images, () => prune(), () => pull('app')]) await expectFailure('STORE_INVALID', command);
  });

  rootIt('is said to be read-only', async () => {
    mkdirSync(bed.path('fixed'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', bed.path('fixed')]);
    settings = { 'store.root': bed.path('fixed/store') };
    const error = await expectFailure('STORE_IO_FAILED', images);
    expect(error.context).toMatchObject({ errno: 'EROFS' });
    expect(error.message).toContain('EROFS');
  });
});

describe(`a store that runs full${WITHOUT_ROOT}`, () => {
  beforeEach(async () => {
    if (!isRoot) return;
    mkdirSync(bed.path('small'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', bed.path('small')]);
    settings = { 'store.data': bed.path('small/data'), 'store.state': bed.path('state'), 'store.min_free_bytes': 0 };
  });

  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(bed.path('small'));
    return bavail * bsize;
  };

  rootIt('in the middle of a layer gives all of it back and says what there was to have', async () => {
    bed.serveImage([large('x', 2), large('y', 30)], { tag: 'large' });
    await images();
    const before = freeBytes();
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => pull('large'));
    expect(freeBytes()).toBe(before);
    expect(error.message).toMatch(/is full: the layer needs more than the [0-9]+ bytes that it had/);
    expect(error.context).toMatchObject({ path: bed.path('small/data'), actual: expect.any(Number) });
    expect(error.hint).toContain('make the store larger');
    expect(error.hint).not.toContain('remove');
    expect([names('small/data/layers'), names('small/data/staging'), names('small/data/trash')]).toEqual([[], [], []]);
  });

  rootIt('gives up images that are not mounted, the oldest first, and the pull goes on', async () => {
    for (const name of ['a', 'b', 'c']) bed.serveImage([large(name, 5)], { tag: name });
    await pull('a');
    await pull('b');
    const warnings: string[] = [];
    const { layers } = await pull('c', undefined, (event) => {
      if (event.type === 'warning') warnings.push(event.message);
    });
    expect(layers.map(({ fetches }) => fetches)).toEqual([2]);
    expect(warnings).toEqual([expect.stringContaining(`removed to make room: ${bed.reference('a')}, sha256:`)]);
    expect((await images()).flatMap((image) => image.names)).toEqual([bed.reference('c'), bed.reference('b')]);
  });

  rootIt('keeps its images when a layer turns out to be larger than all of it', async () => {
    bed.serveImage([large('a', 3)], { tag: 'a' });
    await pull('a');
    // The blob is as large as the layer, so the part that arrived says how large the layer is.
    bed.serveImage([[dir('./'), file('x', pseudoRandom(10 * MIB, 'x'))], [file('y', pseudoRandom(12 * MIB, 'y'))]], {
      tag: 'b',
    });
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => pull('b'));
    expect(error.message).toContain('would have to have');
    expect((await images()).flatMap((image) => image.names)).toEqual([bed.reference('a')]);
  });

  /** A store whose records share the file system of its layers, with nothing left. */
  async function fillSmallStore(): Promise<void> {
    settings = { ...settings, 'store.state': bed.path('small/state') };
    for (const name of ['a', 'b']) bed.serveImage([large(name, 3)], { tag: name });
    await pull('a');
    await pull('b');
    writeFileSync(bed.path('small/fill'), Buffer.alloc(freeBytes()));
    expect(freeBytes()).toBe(0);
  }

  rootIt('to the last byte still gives what it has, and makes room for the rest', async () => {
    await fillSmallStore();
    const { layers } = await pull('b');
    expect(layers.map(({ fetches }) => fetches)).toEqual([0]);
    bed.serveImage([large('c', 3)], { tag: 'c' });
    await pull('c');
    expect((await images()).flatMap((image) => image.names)).toContain(bed.reference('c'));
  });

  rootIt('to the last byte says that there is no space when nothing can be removed', async () => {
    await fillSmallStore();
    rmSync(bed.path('small/fill'));
    await rm(bed.reference('a'), bed.reference('b'));
    writeFileSync(bed.path('small/fill'), Buffer.alloc(freeBytes()));
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => pull('b'));
    expect(error.context).toMatchObject({ path: bed.path('small/data'), fileSystem: 'data', resource: 'bytes' });
  });

  rootIt('does not fetch twice, nor remove images, because its state directory is full', async () => {
    mkdirSync(bed.path('small-state'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', bed.path('small-state')]);
    settings = { 'store.data': bed.path('roomy'), 'store.state': bed.path('small-state') };
    for (const name of ['a', 'b']) bed.serveImage([large(name, 1)], { tag: name });
    await pull('a');
    // Room for the documents of the pull, which come first, and none for the record of its layer.
    const { bavail, bsize } = statfsSync(bed.path('small-state'));
    writeFileSync(bed.path('small-state/fill'), Buffer.alloc((bavail - 2) * bsize));
    const warnings: string[] = [];
    const pulling = pull('b', undefined, (event) => {
      if (event.type === 'warning') warnings.push(event.message);
    });
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => pulling);
    expect(error.context).toMatchObject({ errno: 'ENOSPC', fileSystem: 'state' });
    expect(error.hint).toContain('state directory');
    expect(warnings).toEqual([]);
    expect(bed.registry.requestsTo(/blobs/).length).toBeLessThanOrEqual(4);
    rmSync(bed.path('small-state/fill'));
    expect((await images()).flatMap((image) => image.names)).toEqual([bed.reference('a')]);
  });

  rootIt('keeps images that are mounted, and refuses the pull', async () => {
    for (const name of ['a', 'b']) bed.serveImage([large(name, 7)], { tag: name });
    await pull('a', 'bundle');
    const before = freeBytes();
    await expectFailure('STORE_SPACE_EXHAUSTED', () => pull('b'));
    expect(freeBytes()).toBe(before);
    expect((await images())[0]?.mounts).toEqual([bed.path('bundle/rootfs')]);
    await umount('bundle');
    await pull('b');
    expect((await images()).flatMap((image) => image.names)).toEqual([bed.reference('b')]);
  });
});
