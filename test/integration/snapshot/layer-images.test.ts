import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import { lgetxattr } from '../../../src/platform/index.ts';
import { mountLayerImages, sweepLayerMounts } from '../../../src/snapshot/mount-layer-image.ts';
import { probeLayerFormats } from '../../../src/snapshot/probe-layer-formats.ts';
import { dir, file, opaque, type TarMember, whiteout } from '../../support/builders/tar-builder.ts';
import { loopsBelow } from '../../support/machine/loops.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeImageLayer } from '../../support/stores/snapshot-fixtures.ts';
import { imageKey } from '../../support/stores/store-fixtures.ts';

const PEER = new URL('../../support/entries/layer-mount-peer.ts', import.meta.url).pathname;
const NEEDS = ['root', 'mkfs.erofs'];
const ROUNDS = 60;

let scratch: Scratch;
let peers: ChildProcess[];

beforeEach(() => {
  scratch = new Scratch('images');
  mkdirSync(scratch.join('layers'));
  peers = [];
});

afterEach(async () => {
  await Promise.all(peers.map(end));
  await unmountBelow(scratch.path);
  scratch[Symbol.dispose]();
});

async function end(peer: ChildProcess): Promise<void> {
  if (peer.exitCode !== null || peer.signalCode !== null) return;
  const closed = once(peer, 'close');
  peer.kill('SIGKILL');
  await closed;
}

const mountsDir = () => scratch.join('mounts');
const mountPoint = (...parts: string[]) => scratch.join('mounts', ...parts);

function image(name: string, ...members: TarMember[]): string {
  return makeImageLayer(scratch.join('layers', name), members.length > 0 ? members : [file('who', name)]).path;
}

function mount(path: string, key = 'key', imageBytes?: number) {
  const images = [{ image: path, imageBytes, tree: undefined, key: key as LayerKey }];
  const [mounted] = mountLayerImages({ mountsDir: mountsDir(), images });
  if (mounted === undefined) throw new Error('expected a mount');
  return mounted;
}

const sweep = (...keys: string[]) => sweepLayerMounts({ mountsDir: mountsDir(), keys });
const nothingIsLeft = () => expect([mountsBelow(scratch.path), [...loopsBelow(scratch.path)]]).toEqual([[], []]);

/** Starts another process that attaches or mounts, and returns when it has reported that. */
async function startPeer(
  act: 'attach' | 'mount' | 'churn',
  path: string,
  keys: readonly string[],
): Promise<ChildProcess> {
  const wish = JSON.stringify({ act, image: path, mountsDir: mountsDir(), keys });
  const peer = spawn(process.execPath, [PEER, wish], { stdio: ['pipe', 'pipe', 'pipe'] });
  peers.push(peer);
  let complaints = '';
  peer.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk;
  });
  await Promise.race([
    once(peer.stdout, 'data'),
    once(peer, 'close').then(() => Promise.reject(new Error(`peer: ${complaints}`))),
  ]);
  return peer;
}

function replaceByLink(path: string): void {
  renameSync(path, `${path}.moved`);
  symlinkSync(`${path}.moved`, path);
}

describeWith(NEEDS, 'mountLayerImages', () => {
  it('shows the tree as a layer directory would, read-only', () => {
    const path = image(
      'a',
      dir('bin', { mode: 0o755 }),
      file('bin/su', 'su', { mode: 0o4755, uid: 3 }),
      opaque('bin'),
      whiteout('gone'),
    );
    const { directory } = mount(path);
    expect(directory).toBe(mountPoint('key'));
    expect(readdirSync(directory).sort()).toEqual(['bin', 'gone']);
    expect(readFileSync(`${directory}/bin/su`, 'utf8')).toBe('su');
    expect(statSync(`${directory}/bin/su`)).toMatchObject({ mode: 0o104755, uid: 3 });
    expect(lstatSync(`${directory}/gone`)).toMatchObject({ rdev: 0 });
    expect(lstatSync(`${directory}/gone`).isCharacterDevice()).toBe(true);
    expect(lgetxattr(`${directory}/bin`, 'trusted.overlay.opaque')?.toString()).toBe('y');
    expect(() => writeFileSync(`${directory}/new`, '')).toThrow('EROFS');
  });

  it('lets setuid programs and devices of the image work', () => {
    mount(image('a'));
    const line =
      readFileSync('/proc/mounts', 'latin1')
        .split('\n')
        .find((each) => each.includes(` ${mountPoint('key')} `)) ?? '';
    expect(line).toMatch(/ erofs ro,/);
    expect(line).not.toMatch(/nosuid|nodev|noexec/);
  });

  it('finds it mounted the second time', () => {
    const path = image('a');
    const first = mount(path);
    for (let round = 1; round < 20; round += 1) expect(mount(path)).toEqual(first);
    expect(mountsBelow(scratch.path)).toEqual([mountPoint('key')]);
    expect(loopsBelow(scratch.path).size).toBe(1);
  });

  it('shares one device and one page cache among all mounts of a file', () => {
    const path = image('a');
    const devices = Array.from({ length: 20 }, (_, index) => statSync(mount(path, `key-${index}`).directory).dev);
    expect(new Set(devices).size).toBe(1);
    expect(loopsBelow(scratch.path).size).toBe(1);
    expect(mountsBelow(scratch.path)).toHaveLength(20);
  });

  it('does so among those that are asked for at once, and mounts each where it is called', () => {
    const files = [image('a'), image('b'), image('a')];
    const images = files.map((path, index) => ({
      image: path,
      imageBytes: undefined,
      tree: undefined,
      key: `k${index}` as LayerKey,
    }));
    const mounted = mountLayerImages({ mountsDir: mountsDir(), images: [...images, ...images.slice(0, 1)] });
    expect(mounted.map(({ directory }) => directory)).toEqual([
      mountPoint('k0'),
      mountPoint('k1'),
      mountPoint('k2'),
      mountPoint('k0'),
    ]);
    expect(mounted.map(({ directory }) => readFileSync(`${directory}/who`, 'utf8'))).toEqual(['a', 'b', 'a', 'a']);
    expect(loopsBelow(scratch.path).size).toBe(2);
    expect(mountsBelow(scratch.path)).toHaveLength(3);
    expect(mountLayerImages({ mountsDir: mountsDir(), images: [] })).toEqual([]);
  });

  it('does not show what follows the image in its file', () => {
    const path = image('a');
    const bytes = statSync(path).size;
    appendFileSync(path, Buffer.alloc(3 * 4096, 'tree'));
    mount(path, 'key', bytes);
    const [name = ''] = loopsBelow(scratch.path).keys();
    expect(Number(readFileSync(`/sys/block/${name}/size`, 'utf8')) * 512).toBe(bytes);
  });

  it('covers the mount of an older file with the same key, and unmounts both', () => {
    const path = image('a', file('who', 'old'));
    mount(path);
    const held = openSync(mountPoint('key', 'who'), 'r');
    renameSync(image('b', file('who', 'new')), path);
    mount(path);
    expect(readFileSync(mountPoint('key', 'who'), 'utf8')).toBe('new');
    expect(readFileSync(held, 'utf8')).toBe('old');
    closeSync(held);
    expect(loopsBelow(scratch.path).size).toBe(2);
    expect(sweep('key')).toEqual({ unmounted: ['key'], busy: [] });
    nothingIsLeft();
  });

  it.each<[string, (path: string) => void, RegExp]>([
    ['is cut off', (path) => truncateSync(path, 100), /a file of 100/],
    ['is no EROFS', (path) => writeFileSync(path, Buffer.alloc(8192, 'x')), /EINVAL/],
    ['is absent', (path) => renameSync(path, `${path}.moved`), /ENOENT/],
    ['is a symlink', replaceByLink, /ELOOP/],
  ])('refuses an image that %s, and leaves neither mount, device nor directory', async (_, damage, message) => {
    const path = image('a');
    damage(path);
    const error = await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mount(path));
    expect(error.message).toMatch(message);
    nothingIsLeft();
    expect(existsSync(mountPoint('key'))).toBe(false);
  });

  it('refuses an image that is shorter than its record says', async () => {
    const path = image('a');
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mount(path, 'key', statSync(path).size + 4096));
    nothingIsLeft();
  });

  it.each(['', '..', 'a/b', 'A'])('takes no key "%s", which would be another directory', async (key) => {
    await expectFailure('INTERNAL', () => mount('/absent', key));
  });
});

describeWith(NEEDS, 'unmounting layer images', () => {
  it('gives device and directory back', () => {
    mount(image('a'));
    expect(sweep('key')).toEqual({ unmounted: ['key'], busy: [] });
    nothingIsLeft();
    expect(readdirSync(mountsDir())).toEqual([]);
    expect(sweep('key')).toEqual({ unmounted: [], busy: [] });
  });

  it('leaves what a process works in, and says so', async () => {
    mount(image('a'));
    mount(image('b'), 'other');
    const busy = openSync(mountPoint('key', 'who'), 'r');
    try {
      expect(sweep('key', 'other', 'absent')).toEqual({ unmounted: ['other'], busy: ['key'] });
    } finally {
      closeSync(busy);
    }
    expect(sweep('key')).toEqual({ unmounted: ['key'], busy: [] });
    nothingIsLeft();
  });

  it('leaves other mounts alone', () => {
    mkdirSync(mountPoint('key'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mountPoint('key')]);
    expect(sweep('key')).toEqual({ unmounted: [], busy: ['key'] });
    expect(mountsBelow(scratch.path)).toEqual([mountPoint('key')]);
  });

  it(`leaves mounts, devices and descriptors as they were after ${ROUNDS} rounds`, () => {
    const paths = [image('a'), image('b')];
    const state = () => [mountsBelow(scratch.path), [...loopsBelow(scratch.path)], readdirSync('/proc/self/fd').length];
    const before = state();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [index, path] of paths.entries()) mount(path, `key-${index}`);
      sweep('key-0', 'key-1');
    }
    expect(state()).toEqual(before);
  });
});

describeWith(NEEDS, 'layer images of several processes', () => {
  it('are mounted once when two mount them at once', async () => {
    const path = image('a');
    const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`);
    await Promise.all([startPeer('mount', path, keys), startPeer('mount', path, keys)]);
    expect(mountsBelow(scratch.path).sort()).toEqual(keys.map((key) => mountPoint(key)).sort());
    expect(loopsBelow(scratch.path).size).toBe(1);
  });

  it('are there whenever their users look, while others mount and sweep', async () => {
    const path = image('a');
    const churning = Array.from({ length: 3 }, () => startPeer('churn', path, ['0a', '0b'].map(imageKey)));
    await Promise.all(churning);
    sweep('key-0', 'key-1');
    nothingIsLeft();
  });

  it('leave no device when their process is killed before the mount', async () => {
    const peer = await startPeer('attach', image('a'), []);
    expect(loopsBelow(scratch.path).size).toBe(1);
    await end(peer);
    nothingIsLeft();
  });

  it('are found by the next process, and go with its sweep, when theirs is killed after the mount', async () => {
    const path = image('a');
    await end(await startPeer('mount', path, ['key']));
    expect(mountsBelow(scratch.path)).toEqual([mountPoint('key')]);
    mount(path);
    expect(mountsBelow(scratch.path)).toEqual([mountPoint('key')]);
    expect(loopsBelow(scratch.path).size).toBe(1);
    sweep('key');
    nothingIsLeft();
  });

  it('leave at most an empty directory, which the next sweep takes', () => {
    mkdirSync(mountPoint('key'), { recursive: true });
    expect(sweep('key')).toEqual({ unmounted: [], busy: [] });
    expect(readdirSync(mountsDir())).toEqual([]);
  });
});

describeWith(['root'], 'probeLayerFormats', () => {
  const devices = () => readdirSync('/proc/self/fd').length;

  it('finds this kernel able, or says why it is not, and leaves nothing', () => {
    const before = devices();
    const probe = probeLayerFormats({ directory: scratch.path });
    const hasErofs = /\terofs$/m.test(readFileSync('/proc/filesystems', 'latin1'));
    expect(probe.loop).toBe('usable');
    expect(probe.erofs).toEqual(hasErofs ? 'usable' : { unusable: expect.stringMatching(/./) });
    expect(typeof probe.directIo).toBe('boolean');
    expect([readdirSync(scratch.path), devices()]).toEqual([['layers'], before]);
    nothingIsLeft();
  });

  it.each([
    ['space', 'size=4k'],
    ['inodes', 'nr_inodes=1'],
  ])('asks the kernel alone where the disk has no %s for the image', (lacking, option) => {
    const before = devices();
    const { loop, erofs } = probeLayerFormats({ directory: scratch.path });
    mkdirSync(scratch.join('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', option, 'tmpfs', scratch.join('small')]);
    // The image is as large as the whole file system of one block.
    if (lacking === 'space') writeFileSync(scratch.join('small/fill'), Buffer.alloc(4096));
    expect(probeLayerFormats({ directory: scratch.join('small') })).toEqual({ loop, erofs, directIo: undefined });
    execFileSync('umount', [scratch.join('small')]);
    expect(devices()).toBe(before);
    nothingIsLeft();
  });

  it('fails where the image cannot be written', async () => {
    await expectFailure('STORE_IO_FAILED', () => probeLayerFormats({ directory: scratch.join('absent') }));
  });
});
