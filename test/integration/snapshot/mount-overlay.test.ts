import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mount } from '../../../src/platform/index.ts';
import { mountSnapshot, unmountSnapshot } from '../../../src/snapshot/mount-overlay.ts';
import { formatOverlayOptions } from '../../../src/snapshot/overlay-options.ts';
import type { OverlayMount } from '../../../src/snapshot/types.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;

beforeEach(() => {
  scratch = new Scratch('overlay');
  for (const name of ['upper', 'work', 'rootfs', 'layers']) mkdirSync(scratch.join(name));
});

afterEach(async () => {
  await unmountBelow(scratch.path);
  scratch[Symbol.dispose]();
});

/** Lower directories, topmost first, each with a file of its name and one that all have. */
function lowers(...names: string[]): string[] {
  return names.map((name) => {
    const path = scratch.join('layers', name);
    mkdirSync(path, { recursive: true });
    writeFileSync(`${path}/all`, name);
    writeFileSync(`${path}/only-${basename(name).slice(-8)}`, name);
    return path;
  });
}

function request(change: Partial<OverlayMount> = {}): OverlayMount {
  return {
    lowers: [],
    upper: scratch.join('upper'),
    work: scratch.join('work'),
    target: { path: scratch.join('rootfs'), heldFd: undefined },
    ...change,
  };
}

const read = (name: string) => readFileSync(scratch.join('rootfs', name), 'utf8');

/** Returns the super options of the mount, as the kernel reports them. */
function optionsOf(path: string): string {
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  return lines.findLast((line) => line.split(' ')[4] === path)?.split(' - ')[1] ?? '';
}

describeWith(['root'], 'mountSnapshot', () => {
  it('shows the topmost of the layers, and takes writes into the upper', () => {
    mountSnapshot(request({ lowers: lowers('top', 'middle', 'bottom') }));
    expect(read('all')).toBe('top');
    expect(readdirSync(scratch.join('rootfs')).sort()).toEqual(['all', 'only-bottom', 'only-middle', 'only-top']);
    writeFileSync(scratch.join('rootfs/new'), 'written');
    expect(readFileSync(scratch.join('upper/new'), 'utf8')).toBe('written');
    expect(unmountSnapshot({ target: scratch.join('rootfs') })).toBe(true);
    expect(mountsBelow(scratch.path)).toEqual([]);
  });

  it('turns off what a layer could steer', () => {
    mountSnapshot(request({ lowers: lowers('one') }));
    const options = optionsOf(scratch.join('rootfs'));
    expect(options).toMatch(/^overlay overlay /);
    expect(options).toContain('redirect_dir=nofollow');
    expect(options).not.toMatch(/metacopy=on|index=on|xino=on|userxattr/);
  });

  it('does not follow a redirect that a layer smuggled in', () => {
    const [top = '', bottom = ''] = lowers('top', 'bottom');
    mkdirSync(`${top}/etc`);
    mkdirSync(`${bottom}/secret`);
    writeFileSync(`${bottom}/secret/key`, '');
    execFileSync('setfattr', ['-n', 'trusted.overlay.redirect', '-v', '/secret', `${top}/etc`]);
    mountSnapshot(request({ lowers: [top, bottom] }));
    let names: string[] = [];
    try {
      names = readdirSync(scratch.join('rootfs/etc'));
    } catch {
      // The kernel may refuse the directory altogether.
    }
    expect(names).toEqual([]);
    expect(readdirSync(scratch.join('rootfs/secret'))).toEqual(['key']);
  });

  it('hides everything below a layer whose root is opaque', () => {
    const [top = '', middle = '', bottom = ''] = lowers('top', 'middle', 'bottom');
    execFileSync('setfattr', ['-n', 'trusted.overlay.opaque', '-v', 'y', middle]);
    mountSnapshot(request({ lowers: [top, middle, bottom] }));
    expect(readdirSync(scratch.join('rootfs')).sort()).toEqual(['all', 'only-middle', 'only-top']);
  });

  it('mounts an image without layers as an empty directory', () => {
    mountSnapshot(request());
    expect(readdirSync(scratch.join('rootfs'))).toEqual([]);
    writeFileSync(scratch.join('rootfs/new'), '');
    expect(readdirSync(scratch.join('upper'))).toEqual(['new']);
  });

  it('takes 500 layers, whose paths are more than a page of options', () => {
    const many = lowers(
      ...Array.from({ length: 500 }, (_, index) => `directory-v1-diffid-${String(index).padStart(64, '0')}`),
    );
    expect(many.join(':').length).toBeGreaterThan(4096);
    mountSnapshot(request({ lowers: many }));
    expect(readdirSync(scratch.join('rootfs'))).toHaveLength(501);
    expect(read('all')).toMatch(/^directory-v1-diffid-0+$/);
  });

  it('takes paths longer than the kernel lets a setting be', () => {
    const long = ['a', 'b'].map((name) => `${'x'.repeat(200)}/${'y'.repeat(100)}/${name}`);
    mountSnapshot(request({ lowers: lowers(...long) }));
    expect(read('all')).toBe(long[0]);
  });

  it.each(['with:colon', 'with,comma', 'with\\backslash', 'with space', 'with\u00e9accent'])(
    'takes a path %s',
    (name) => {
      for (const part of ['upper', 'work']) mkdirSync(scratch.join(name, part), { recursive: true });
      mkdirSync(scratch.join(name, 'rootfs'));
      const target = { path: scratch.join(name, 'rootfs'), heldFd: undefined };
      const mounted = { upper: scratch.join(name, 'upper'), work: scratch.join(name, 'work'), target };
      mountSnapshot(request({ lowers: lowers(name), ...mounted }));
      try {
        expect(readFileSync(`${target.path}/all`, 'utf8')).toBe(name);
      } finally {
        expect(unmountSnapshot({ target: target.path })).toBe(true);
      }
    },
  );

  it.each(['plain', 'with:colon', 'with,comma', 'with\\backslash'])(
    'writes options for kernels without the newer interface: a path %s',
    (name) => {
      for (const part of ['upper', 'work']) mkdirSync(scratch.join(name, part), { recursive: true });
      const directories = { upper: scratch.join(name, 'upper'), work: scratch.join(name, 'work') };
      const data = formatOverlayOptions({ lowers: lowers(name, 'below'), ...directories });
      mount({ source: 'overlay', target: scratch.join('rootfs'), type: 'overlay', data: data ?? '' });
      expect(read('all')).toBe(name);
      expect(readdirSync(scratch.join('rootfs'))).toContain('only-below');
      writeFileSync(scratch.join('rootfs/new'), '');
      expect(readdirSync(directories.upper)).toEqual(['new']);
    },
  );

  it('takes 500 layers where the kernel has only the option page of mount(2), and knows the upper by its path', () => {
    const cwd = readlinkSync('/proc/thread-self/cwd');
    const fds = readdirSync('/proc/self/fd').length;
    const many = lowers(
      ...Array.from({ length: 500 }, (_, index) => `erofs-v1-diffid,:${String(index).padStart(64, '0')}`),
    );
    mountSnapshot(request({ lowers: many }), 'options');
    expect(readdirSync(scratch.join('rootfs'))).toHaveLength(501);
    expect(read('all')).toMatch(/^erofs-v1-diffid,:0+$/);
    expect(optionsOf(scratch.join('rootfs'))).toContain(`upperdir=${scratch.join('upper')},`);
    writeFileSync(scratch.join('rootfs/new'), 'written');
    expect(readFileSync(scratch.join('upper/new'), 'utf8')).toBe('written');
    expect(readlinkSync('/proc/thread-self/cwd')).toBe(cwd);
    expect(readdirSync('/proc/self/fd')).toHaveLength(fds);
  });

  it('refuses what does not fit into that page either, and leaves nothing', async () => {
    const deep = Array.from({ length: 17 }, () => 'u'.repeat(120)).join('/');
    for (const part of ['upper', 'work']) mkdirSync(scratch.join(part, deep), { recursive: true });
    const mounted = { upper: scratch.join('upper', deep), work: scratch.join('work', deep) };
    const one = request({ lowers: lowers('one'), ...mounted });
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mountSnapshot(one, 'options'));
    expect(mountsBelow(scratch.path)).toEqual([]);
    mountSnapshot(one);
    expect(read('all')).toBe('one');
  });

  it('says what the kernel says when it refuses, and leaves nothing', async () => {
    const [one = ''] = lowers('one');
    const error = await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mountSnapshot(request({ lowers: [one, one] })));
    expect(error.context['errno']).toBe('ELOOP');
    expect(error.message).toMatch(/overlap|conflict|ELOOP/i);
    expect(mountsBelow(scratch.path)).toEqual([]);
  });

  it('names a layer directory that is gone', async () => {
    const gone = scratch.join('layers/gone');
    const error = await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mountSnapshot(request({ lowers: [gone] })));
    expect(error.context['errno']).toBe('ENOENT');
  });
});

describeWith(['root'], 'the target of a mount', () => {
  const bystander = () => scratch.join('bystander');

  it('may be held by the caller since the pull began', () => {
    const heldFd = openSync(scratch.join('rootfs'), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      mountSnapshot(request({ lowers: lowers('one'), target: { path: scratch.join('rootfs'), heldFd } }));
      expect(read('all')).toBe('one');
    } finally {
      closeSync(heldFd);
    }
  });

  it.each<[string, () => void]>([
    ['replaced by another directory', () => mkdirSync(scratch.join('rootfs'))],
    ['replaced by a symlink', () => symlinkSync(bystander(), scratch.join('rootfs'))],
    ['moved away', () => undefined],
  ])('that was %s gets no mount, and neither does what took its place', async (_, swap) => {
    mkdirSync(bystander());
    const heldFd = openSync(scratch.join('rootfs'), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      renameSync(scratch.join('rootfs'), scratch.join('moved'));
      swap();
      const target = { path: scratch.join('rootfs'), heldFd };
      const error = await expectFailure('SNAPSHOT_MOUNT_FAILED', () =>
        mountSnapshot(request({ lowers: lowers('one'), target })),
      );
      expect(error.message).toContain('the directory that the pull began with');
      expect(mountsBelow(scratch.path)).toEqual([]);
    } finally {
      closeSync(heldFd);
    }
  });

  it.each<[string, () => void]>([
    ['a symlink', () => symlinkSync(scratch.join('work'), scratch.join('odd'))],
    ['a file', () => writeFileSync(scratch.join('odd'), '')],
    ['absent', () => undefined],
  ])('is refused when it is %s', async (_, make) => {
    make();
    const target = { path: scratch.join('odd'), heldFd: undefined };
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mountSnapshot(request({ lowers: lowers('one'), target })));
    expect(mountsBelow(scratch.path)).toEqual([]);
  });
});

describeWith(['root'], 'unmountSnapshot', () => {
  it('says that nothing is mounted on a plain directory, or on none', () => {
    expect(unmountSnapshot({ target: scratch.join('rootfs') })).toBe(false);
    expect(unmountSnapshot({ target: scratch.join('absent') })).toBe(false);
  });

  it('says so inside a mounted rootfs', () => {
    const [one = ''] = lowers('one');
    mkdirSync(`${one}/etc`);
    mountSnapshot(request({ lowers: [one] }));
    expect(unmountSnapshot({ target: scratch.join('rootfs/etc') })).toBe(false);
    expect(existsSync(scratch.join('rootfs/all'))).toBe(true);
  });

  it('leaves other mounts alone', () => {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', scratch.join('rootfs')]);
    expect(unmountSnapshot({ target: scratch.join('rootfs') })).toBe(false);
    expect(mountsBelow(scratch.path)).toEqual([scratch.join('rootfs')]);
  });

  it('fails while a process works in it, and says so', async () => {
    mountSnapshot(request({ lowers: lowers('one') }));
    const busy = openSync(scratch.join('rootfs/all'), 'r');
    try {
      const unmount = () => unmountSnapshot({ target: scratch.join('rootfs') });
      const error = await expectFailure('SNAPSHOT_MOUNT_FAILED', unmount);
      expect(error.context['errno']).toBe('EBUSY');
    } finally {
      closeSync(busy);
    }
    expect(unmountSnapshot({ target: scratch.join('rootfs') })).toBe(true);
  });
});
