import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  assertSystemCalls,
  errnoOf,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  futimes,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lutimes,
  MNT,
  MOUNT_ATTR,
  MS,
  mknod,
  mount,
  moveMount,
  openInRoot,
  S_IFMT,
  syncfs,
  tryFlock,
  umount,
} from '../../../src/platform/index.ts';
import { flock, LOCK } from '../../../src/platform/syscalls.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sealift-syscalls-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe('assertSystemCalls', () => {
  it('passes on this machine', () => {
    assertSystemCalls(directory);
  });

  it('passes in a worker thread, which has its own errno', async () => {
    const module = new URL('../../../src/platform/index.ts', import.meta.url).href;
    const code = `import(${JSON.stringify(module)}).then((m) => m.assertSystemCalls())`;
    const worker = new Worker(code, { eval: true, execArgv: ['--disable-warning=ExperimentalWarning'] });
    const exit = await new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));
    expect(exit).toBe(0);
  });
});

describe('errors', () => {
  it('name the call, the errno and the path', async () => {
    const path = join(directory, 'absent');
    const error = await expectFailure('PLATFORM_CALL_FAILED', () => lutimes(path, 0, 0));
    expect(error.context).toEqual({ call: 'utimensat', errno: 'ENOENT', path });
    expect(errnoOf(error)).toBe('ENOENT');
  });

  it('gives the errno of node:fs as well, and none for anything else', () => {
    let failure: unknown;
    try {
      readFileSync(join(directory, 'absent'));
    } catch (error) {
      failure = error;
    }
    expect(errnoOf(failure)).toBe('ENOENT');
    expect(errnoOf(new TypeError('x'))).toBeUndefined();
  });

  it('refuses a path with a NUL inside instead of acting on the part before it', async () => {
    writeFileSync(join(directory, 'a'), '');
    const before = lstatSync(join(directory, 'a')).mtimeMs;
    const error = await expectFailure('PLATFORM_CALL_FAILED', () => lutimes(`${join(directory, 'a')}\0b`, 1, 1));
    expect(errnoOf(error)).toBe('EINVAL');
    expect(lstatSync(join(directory, 'a')).mtimeMs).toBe(before);
  });
});

describe('times', () => {
  it.each([
    ['now and nanoseconds', 1_700_000_000, 123_456_789, 1_700_000_000_123_456_789n],
    ['before the epoch', -2, 1, -1_999_999_999n],
    ['after 2038', 5_000_000_000, 999_999_999, 5_000_000_000_999_999_999n],
  ])('are kept exactly: %s', (_, seconds, nanoseconds, expected) => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    lutimes(file, seconds, nanoseconds);
    expect(lstatSync(file, { bigint: true }).mtimeNs).toBe(expected);
    lutimes(file, 0, 0);
    const fd = openSync(file, 'r+');
    futimes(fd, seconds, nanoseconds);
    closeSync(fd);
    expect(lstatSync(file, { bigint: true }).mtimeNs).toBe(expected);
    expect(lstatSync(file, { bigint: true }).atimeNs).toBe(expected);
  });

  it('change a symlink and not what it names, also under a name that is not UTF-8', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const link = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])]);
    symlinkSync('file', link);
    lutimes(link, 7, 8);
    expect(lstatSync(link, { bigint: true }).mtimeNs).toBe(7_000_000_008n);
    expect(lstatSync(file).mtimeMs).toBeGreaterThan(1e12);
  });
});

describe('extended attributes', () => {
  it('are set, read, listed and removed as bytes', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const value = Buffer.from([0, 1, 255, 0]);
    lsetxattr(file, 'user.one', value);
    lsetxattr(file, 'user.empty', Buffer.alloc(0));
    expect(lgetxattr(file, 'user.one')).toEqual(value);
    expect(lgetxattr(file, 'user.empty')).toEqual(Buffer.alloc(0));
    expect(lgetxattr(file, 'user.none')).toBeUndefined();
    expect(llistxattr(file).map(String).sort()).toEqual(['user.empty', 'user.one']);
    lremovexattr(file, 'user.one');
    expect(llistxattr(file).map(String)).toEqual(['user.empty']);
  });

  it('may be longer than the first guess', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const value = Buffer.alloc(2_000, 7);
    lsetxattr(file, 'user.long', value);
    expect(lgetxattr(file, 'user.long')).toEqual(value);
  });
});

describe('flock', () => {
  it('is refused to a second holder and granted after release', () => {
    const file = join(directory, 'lock');
    writeFileSync(file, '');
    const [first, second] = [openSync(file, 'r'), openSync(file, 'r')];
    expect(tryFlock(first, 'exclusive')).toBe(true);
    expect(tryFlock(second, 'shared')).toBe(false);
    flock(first, LOCK.UN);
    expect(tryFlock(second, 'shared')).toBe(true);
    expect(tryFlock(first, 'shared')).toBe(true);
    closeSync(first);
    closeSync(second);
  });
});

describe('openInRoot', () => {
  it('resolves absolute and climbing links inside the root', async () => {
    mkdirSync(join(directory, 'root/etc'), { recursive: true });
    writeFileSync(join(directory, 'root/etc/passwd'), 'inside');
    writeFileSync(join(directory, 'secret'), 'outside');
    symlinkSync('/etc/passwd', join(directory, 'root/absolute'));
    symlinkSync('../../../../etc/passwd', join(directory, 'root/climbing'));
    symlinkSync('../secret', join(directory, 'root/escape'));
    const root = openSync(join(directory, 'root'), constants.O_DIRECTORY);
    for (const name of ['absolute', 'climbing', 'etc/passwd', '/etc/passwd']) {
      const fd = openInRoot(root, name, constants.O_RDONLY);
      expect(readFileSync(fd, 'utf8')).toBe('inside');
      closeSync(fd);
    }
    const error = await expectFailure('PLATFORM_CALL_FAILED', () => openInRoot(root, 'escape', constants.O_RDONLY));
    expect(errnoOf(error)).toBe('ENOENT');
    closeSync(root);
  });
});

describeWith(['root'], 'calls that change the machine', () => {
  it('make a fifo, a whiteout and a device with large numbers', () => {
    mknod(join(directory, 'fifo'), S_IFMT.FIFO | 0o600, { major: 0, minor: 0 });
    mknod(join(directory, 'whiteout'), S_IFMT.CHAR, { major: 0, minor: 0 });
    mknod(Buffer.from(join(directory, 'device')), S_IFMT.BLOCK | 0o600, { major: 4_000, minor: 1_000_000 });
    expect(lstatSync(join(directory, 'fifo')).isFIFO()).toBe(true);
    expect(lstatSync(join(directory, 'whiteout')).isCharacterDevice()).toBe(true);
    expect(lstatSync(join(directory, 'whiteout')).rdev).toBe(0);
    expect(lstatSync(join(directory, 'device')).isBlockDevice()).toBe(true);
    // The kernel returns st_rdev in the encoding that mknod takes.
    expect(BigInt(lstatSync(join(directory, 'device')).rdev)).toBe(
      ((4_000n & 0xfffn) << 8n) | ((1_000_000n & 0xffffff00n) << 12n) | (1_000_000n & 0xffn),
    );
  });

  it('mount and unmount a tmpfs, and sync it', async () => {
    const target = join(directory, 'mnt');
    mkdirSync(target);
    mount({ source: 'none', target, type: 'tmpfs', flags: MS.NOSUID | MS.NODEV, data: 'size=64k,mode=0700' });
    try {
      expect(readFileSync('/proc/self/mountinfo', 'latin1')).toContain(` ${target} rw,nosuid,nodev`);
      const fd = openSync(target, 'r');
      syncfs(fd);
      closeSync(fd);
    } finally {
      umount(target, MNT.DETACH | MNT.NOFOLLOW);
    }
    expect(readFileSync('/proc/self/mountinfo', 'latin1')).not.toContain(target);
    expect(errnoOf(await expectFailure('PLATFORM_CALL_FAILED', () => umount(target)))).toBe('EINVAL');
  });

  it('mount an overlay through a context, one lower directory at a time', () => {
    for (const name of ['a:b', 'c,d', 'upper', 'work', 'mnt']) mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'a:b/one'), '1');
    writeFileSync(join(directory, 'c,d/two'), '2');
    const context = fsopen('overlay');
    fsconfigString(context, 'lowerdir+', join(directory, 'a:b'));
    fsconfigString(context, 'lowerdir+', join(directory, 'c,d'));
    fsconfigString(context, 'upperdir', join(directory, 'upper'));
    fsconfigString(context, 'workdir', join(directory, 'work'));
    fsconfigFlag(context, 'ro');
    fsconfigCreate(context);
    const mounted = fsmount(context, MOUNT_ATTR.NODEV);
    moveMount(mounted, join(directory, 'mnt'));
    closeSync(mounted);
    closeSync(context);
    try {
      expect(readFileSync(join(directory, 'mnt/one'), 'utf8')).toBe('1');
      expect(readFileSync(join(directory, 'mnt/two'), 'utf8')).toBe('2');
    } finally {
      umount(join(directory, 'mnt'));
    }
  });

  it('report what the kernel says about a refused option', async () => {
    const context = fsopen('overlay');
    const error = await expectFailure('PLATFORM_CALL_FAILED', () => fsconfigString(context, 'no_such_option', 'x'));
    closeSync(context);
    expect(error.message).toMatch(/EINVAL.*no_such_option/);
  });
});
