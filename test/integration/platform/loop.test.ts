import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { attachLoop, type BackingFile, describeBackingFile, openLoopOf } from '../../../src/platform/index.ts';
import { loopsBelow } from '../../support/machine/loops.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const PEER = new URL('../../support/entries/layer-mount-peer.ts', import.meta.url).pathname;
const BLOCK = 4096;

let scratch: Scratch;
let opened: number[];

beforeEach(() => {
  scratch = new Scratch('loop');
  opened = [];
});

afterEach(async () => {
  for (const fd of opened) closeSync(fd);
  await unmountBelow(scratch.path);
  scratch[Symbol.dispose]();
});

function backing(path: string, bytes?: number): BackingFile {
  const fd = openSync(path, 'r');
  opened.push(fd);
  return describeBackingFile(fd, path, bytes);
}

function file(name: string, content: string | Buffer = Buffer.alloc(2 * BLOCK, name)): string {
  writeFileSync(scratch.join(name), content);
  return scratch.join(name);
}

function attach(...from: Parameters<typeof backing>) {
  const loop = attachLoop(backing(...from));
  opened.push(loop.fd);
  return loop;
}

function contentOf(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const room = Buffer.alloc(16 * BLOCK);
    return room.subarray(0, readSync(fd, room));
  } finally {
    closeSync(fd);
  }
}

const closeAll = () => {
  for (const fd of opened.splice(0)) closeSync(fd);
};

describeWith(['root'], 'attachLoop', () => {
  it('shows a file read-only', () => {
    const loop = attach(file('a'));
    expect(contentOf(loop.path).equals(readFileSync(scratch.join('a')))).toBe(true);
    expect(readFileSync(`/sys/block/${loop.path.replace('/dev/', '')}/ro`, 'utf8').trim()).toBe('1');
  });

  it('shows no more than asked for', () => {
    const path = file('a');
    appendFileSync(path, Buffer.alloc(5 * BLOCK, 'tree'));
    expect(contentOf(attach(path, 2 * BLOCK).path)).toHaveLength(2 * BLOCK);
  });

  it('gives the device back with its last descriptor', () => {
    attach(file('a'));
    expect([...loopsBelow(scratch.path).values()]).toEqual([scratch.join('a')]);
    closeAll();
    expect(loopsBelow(scratch.path).size).toBe(0);
  });

  it('finds the device that shows the file already', () => {
    const path = file('a');
    const devices = new Set(Array.from({ length: 20 }, () => attach(path).path));
    expect(devices.size).toBe(1);
    expect(loopsBelow(scratch.path).size).toBe(1);
  });

  it('takes another device for another file of the same name, and for another length', () => {
    mkdirSync(scratch.join('other'));
    const paths = [attach(file('a')), attach(file('other/a')), attach(scratch.join('a'), BLOCK)].map(
      ({ path }) => path,
    );
    expect(new Set(paths).size).toBe(3);
  });

  it('takes another device for a file that took the place of the first', () => {
    const first = attach(file('a'));
    execFileSync('rm', [scratch.join('a')]);
    const second = attach(file('a', Buffer.alloc(BLOCK, 'new')));
    expect(second.path).not.toBe(first.path);
    expect(contentOf(second.path).subarray(0, 3).toString()).toBe('new');
    expect(contentOf(first.path).subarray(0, 1).toString()).toBe('a');
  });

  it('knows whether a device shows a file', () => {
    const path = file('a');
    const name = attach(path).path.replace('/dev/', '');
    const found = openLoopOf(name, backing(path));
    expect(found?.path).toBe(`/dev/${name}`);
    if (found !== undefined) opened.push(found.fd);
    expect(openLoopOf(name, backing(file('b')))).toBeUndefined();
    expect(openLoopOf('loop999999', backing(path))).toBeUndefined();
  });

  it.each<[string, number, number | undefined]>([
    ['is empty', 0, undefined],
    ['is shorter than a block', BLOCK - 1, undefined],
    ['was cut off', 2 * BLOCK - 1, 2 * BLOCK],
    ['is to be shown in part of a block', 2 * BLOCK, BLOCK + 512],
  ])('refuses a file that %s', async (_, size, bytes) => {
    const path = file('odd', Buffer.alloc(size));
    const error = await expectFailure('PLATFORM_CALL_FAILED', () => backing(path, bytes));
    expect(error.context).toMatchObject({ path, actual: size });
  });

  it('goes past the page cache on ext4, and without that where it cannot', () => {
    const image = scratch.join('disk');
    execFileSync('truncate', ['-s', '8M', image]);
    execFileSync('mkfs.ext4', ['-q', image]);
    for (const name of ['ext4', 'ramfs']) mkdirSync(scratch.join(name));
    execFileSync('mount', ['-o', 'loop', image, scratch.join('ext4')]);
    execFileSync('mount', ['-t', 'ramfs', 'ramfs', scratch.join('ramfs')]);
    for (const [name, directIo] of [
      ['ext4', true],
      ['ramfs', false],
    ] as const) {
      const loop = attach(file(`${name}/a`));
      expect(loop.directIo, name).toBe(directIo);
      const flag = readFileSync(`/sys/block/${loop.path.replace('/dev/', '')}/loop/dio`, 'utf8').trim();
      expect(flag, name).toBe(directIo ? '1' : '0');
    }
    closeAll();
  });

  it('gives each of many processes a device of its own, when they all ask at once', async () => {
    const peers = Array.from({ length: 8 }, (_, index) => {
      const wish = { act: 'attach', image: file(`peer-${index}`), mountsDir: '', keys: [] };
      return spawn(process.execPath, [PEER, JSON.stringify(wish)], { stdio: ['pipe', 'pipe', 'ignore'] });
    });
    try {
      await Promise.all(peers.map((peer) => once(peer.stdout, 'data')));
      expect([...loopsBelow(scratch.path).values()].sort()).toEqual(
        readdirSync(scratch.path).map((name) => scratch.join(name)),
      );
    } finally {
      const ended = peers.map((peer) => once(peer, 'close'));
      for (const peer of peers) peer.kill('SIGKILL');
      await Promise.all(ended);
    }
    expect(loopsBelow(scratch.path).size).toBe(0);
  });
});
