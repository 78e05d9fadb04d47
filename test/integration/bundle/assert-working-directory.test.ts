import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertWorkingDirectory } from '../../../src/bundle/assert-working-directory.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
let rootfs: string;

beforeEach(() => {
  scratch = new Scratch('working-directory');
  rootfs = scratch.join('rootfs');
  mkdirSync(`${rootfs}/srv/app`, { recursive: true });
});

afterEach(() => scratch[Symbol.dispose]());

const link = (target: string, name: string | Buffer) =>
  symlinkSync(target, Buffer.concat([Buffer.from(`${rootfs}/`), Buffer.from(name)]));

describe('assertWorkingDirectory', () => {
  it.each([
    '/',
    '/srv/app',
    '/absent/below',
    '/file/below',
    '/link',
    '/up/srv',
    '/volume/data',
    '/procedure',
    '/a/proc',
  ])('accepts "%s"', (cwd) => {
    writeFileSync(`${rootfs}/file`, '');
    link('srv/app', 'link');
    link('../../..', 'up');
    link('/not/there/yet', 'volume');
    expect(() => assertWorkingDirectory(rootfs, cwd)).not.toThrow();
  });

  it.each([
    ['a link to the descriptors', '/proc/self/fd', '/link/7'],
    ['a relative link', 'proc/self/fd/7', '/link'],
    ['a link that climbs out first', '../../../../proc/self', '/link/fd/7'],
    ['a link through what is not there', '/absent/../proc/self/fd/7', '/link'],
    ['a link to what the runtime makes a link', '/dev/fd', '/link/7'],
    ['a link to a link', '/second', '/link/7'],
    ['a link to a link whose name is no UTF-8', '/\u00ff', '/link/7'],
    ['a link below a directory', '/srv/app', '/srv/deeper/7'],
    ['a link that leads to itself', '/link', '/link'],
  ])('refuses %s (CVE-2024-21626)', async (_, target, cwd) => {
    symlinkSync(Buffer.from(target, 'latin1'), `${rootfs}/link`);
    link('/proc/self/fd', 'second');
    link('/proc/self/fd', Buffer.from([0xff]));
    link('/proc/self/fd', 'srv/deeper');
    await expectFailure('CONFIG_INVALID', () => assertWorkingDirectory(rootfs, cwd));
  });

  it('refuses a path that no kernel takes', async () => {
    await expectFailure('CONFIG_INVALID', () => assertWorkingDirectory(rootfs, `/${'a'.repeat(256)}`));
    await expectFailure('CONFIG_INVALID', () => assertWorkingDirectory(rootfs, '/a'.repeat(100_000)));
  });

  it('is not deceived by directories that /proc will cover', async () => {
    mkdirSync(`${rootfs}/proc/self/fd/7`, { recursive: true });
    link('/proc/self/fd/7', 'link');
    await expectFailure('CONFIG_INVALID', () => assertWorkingDirectory(rootfs, '/link'));
  });
});
