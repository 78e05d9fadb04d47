import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRootFile } from '../../../src/bundle/read-root-file.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const SENTINEL = 'sentinel:x:0:0::/:';

let scratch: Scratch;
let root: string;
let rootFd: number;

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

beforeEach(() => {
  scratch = new Scratch('root-file');
  root = scratch.join('rootfs');
  mkdirSync(`${root}/etc`, { recursive: true });
  writeFileSync(scratch.join('passwd'), SENTINEL);
  rootFd = openSync(root, 'r');
});

afterEach(() => {
  closeSync(rootFd);
  scratch[Symbol.dispose]();
});

const read = (maxBytes = 100) => readRootFile(rootFd, 'etc/passwd', maxBytes);

describe('readRootFile', () => {
  it('reads a regular file and leaves no descriptor open', () => {
    writeFileSync(`${root}/etc/passwd`, 'inside');
    const before = openDescriptors();
    expect(read()).toBe('inside');
    expect(openDescriptors()).toBe(before);
  });

  it('answers undefined where there is no file, and where a parent is a file', () => {
    expect(read()).toBeUndefined();
    expect(readRootFile(rootFd, 'absent/passwd', 10)).toBeUndefined();
    writeFileSync(`${root}/file`, '');
    expect(readRootFile(rootFd, 'file/passwd', 10)).toBeUndefined();
  });

  it('follows a link inside the root, and an absolute one as the container would see it', () => {
    mkdirSync(`${root}/usr`);
    writeFileSync(`${root}/usr/passwd`, 'inside');
    symlinkSync('/usr/passwd', `${root}/etc/passwd`);
    expect(read()).toBe('inside');
  });

  it.each([
    ['a relative link that climbs out', '../../passwd'],
    ['a link that climbs out further than the file system is deep', `${'../'.repeat(40)}etc/passwd`],
    ['an absolute link to a file of the host', '/etc/passwd'],
    ['a link to a link of the process', '/proc/self/root/etc/passwd'],
  ])('never leaves the root through %s', (_, target) => {
    symlinkSync(target, `${root}/etc/passwd`);
    // Within the root the link may lead to itself; in any case nothing outside is read.
    let text: string | undefined;
    try {
      text = read(10_000);
    } catch (error) {
      expect(error).toMatchObject({ code: 'BUNDLE_USER_INVALID' });
    }
    expect(text).toBeUndefined();
  });

  it('never leaves the root through a linked parent', () => {
    symlinkSync(scratch.path, `${root}/out`);
    symlinkSync('../..', `${root}/etc/up`);
    expect(readRootFile(rootFd, 'out/passwd', 100)).toBeUndefined();
    expect(readRootFile(rootFd, 'etc/up/passwd', 100)).toBeUndefined();
  });

  it('refuses a FIFO at once, without waiting for a writer', async () => {
    execFileSync('mkfifo', [`${root}/etc/passwd`]);
    const before = openDescriptors();
    await expectFailure('BUNDLE_USER_INVALID', () => read());
    expect(openDescriptors()).toBe(before);
  });

  it('refuses a directory and a loop of links', async () => {
    mkdirSync(`${root}/etc/passwd`);
    await expectFailure('BUNDLE_USER_INVALID', () => read());
    symlinkSync('loop', `${root}/etc/loop`);
    await expectFailure('BUNDLE_USER_INVALID', () => readRootFile(rootFd, 'etc/loop', 100));
  });

  it('reads a file of exactly the limit and refuses one byte more', async () => {
    writeFileSync(`${root}/etc/passwd`, 'x'.repeat(100));
    expect(read()).toHaveLength(100);
    writeFileSync(`${root}/etc/passwd`, 'x'.repeat(101));
    await expectFailure('BUNDLE_USER_INVALID', () => read());
  });
});

describeWith(['root'], 'readRootFile, as root', () => {
  it('refuses a device that never ends', async () => {
    execFileSync('mknod', [`${root}/etc/passwd`, 'c', '1', '5']);
    await expectFailure('BUNDLE_USER_INVALID', () => read());
  });
});
