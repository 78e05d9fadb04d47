import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createSnapshotter } from '../../../src/snapshot/index.ts';
import { isUpperMounted, mountsUpper } from '../../../src/snapshot/mounted-elsewhere.ts';
import type { SnapshotLayer } from '../../../src/snapshot/types.ts';
import type { Store } from '../../../src/store/index.ts';
import { dir, file, opaque, type TarMember, whiteout } from '../../support/builders/tar-builder.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  inlineSnapshotRunner,
  makeLayer,
  type SnapshotOperation,
  testLayerMounts,
} from '../../support/stores/snapshot-fixtures.ts';
import { openTestStore } from '../../support/stores/store-fixtures.ts';

/** A namespace that keeps the mount on $0 and lets those of tests beside this one go. */
const FORGET_OTHERS =
  'for at in $(cut -d " " -f 5 /proc/self/mountinfo | grep /sealift- | grep -vxF "$0"); do umount -l "$at"; done; ' +
  'echo ready; read line';

const IMAGE = `sha256:${'ab'.repeat(32)}`;

let scratch: Scratch;
let store: Store;
let checkpoints: string[];
let refuse: (operation: SnapshotOperation) => void;
/** Others' namespaces may have copied our mounts, so tests look at the one they mean. */
let isMounted: (id: string) => boolean;

beforeEach(async () => {
  scratch = new Scratch('snapshot');
  store = await openTestStore(scratch.path);
  checkpoints = [];
  refuse = () => undefined;
  isMounted = () => false;
  mkdirSync(scratch.join('rootfs'));
});

afterEach(async () => {
  await unmountBelow(scratch.path);
  await store.close();
  scratch[Symbol.dispose]();
});

const rootfs = (...parts: string[]) => scratch.join('rootfs', ...parts);

function snapshotter() {
  return createSnapshotter({
    limits: DEFAULT_LIMITS,
    runOperation: inlineSnapshotRunner((operation) => refuse(operation)),
    store,
    layerMounts: testLayerMounts(store, inlineSnapshotRunner()),
    checkpoint: (name) => checkpoints.push(name),
    isUpperMounted: (id) => isMounted(id),
  });
}

function layer(name: string, ...members: TarMember[]): SnapshotLayer {
  return makeLayer(scratch.join('layers', name), members);
}

function mount(...layers: SnapshotLayer[]) {
  return snapshotter().mount({ layers, target: { path: rootfs(), heldFd: undefined }, imageDigest: IMAGE, call: {} });
}

/** Mode, owner and time of a directory of the mounted rootfs. */
function attributes(path: string) {
  const { mode, uid, gid, mtimeNs } = lstatSync(rootfs(path), { bigint: true });
  return { mode: (Number(mode) & 0o7777).toString(8), uid: Number(uid), gid: Number(gid), mtimeNs };
}

const STICKY = { mode: 0o1777, uid: 7, gid: 8, mtime: { seconds: 1_500_000_000, nanoseconds: 123_456_789 } };
const STICKY_SHOWN = { mode: '1777', uid: 7, gid: 8, mtimeNs: 1_500_000_000_123_456_789n };
const DEFAULTS = { mode: '755', uid: 0, gid: 0 };

describeWith(['root'], 'a mounted snapshot', () => {
  it('keeps the 1777 of /tmp when the layer above has only a file in it', async () => {
    await mount(layer('base', dir('tmp', STICKY)), layer('app', file('tmp/x', 'x')));
    expect(attributes('tmp')).toEqual(STICKY_SHOWN);
    expect(readdirSync(rootfs('tmp'))).toEqual(['x']);
  });

  it('keeps owner, mode, time to the nanosecond, xattrs and both ACLs of directories, ancestors too', async () => {
    const base = layer(
      'base',
      dir('srv', { ...STICKY, mode: 0o2750 }),
      dir('srv/www', STICKY),
      dir('srv/www/a', STICKY),
    );
    for (const acl of ['u:1234:rwx', 'd:u:1234:rx']) execFileSync('setfacl', ['-m', acl, `${base.path}/srv/www`]);
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', `${base.path}/srv/www`]);
    execFileSync('setfattr', ['-n', 'trusted.overlay.origin', '-v', 'no', `${base.path}/srv/www`]);
    const acls = (path: string) => execFileSync('getfacl', ['-cnpE', path]).toString();
    const expected = acls(`${base.path}/srv/www`);
    const expectedMode = attributesOf(`${base.path}/srv/www`);

    const { upper } = await mount(base, layer('app', file('srv/www/a/index.html', 'hi')));
    expect(attributes('srv')).toEqual({ ...STICKY_SHOWN, mode: '2750' });
    expect(attributes('srv/www/a')).toEqual(STICKY_SHOWN);
    expect(attributes('srv/www').mtimeNs).toBe(STICKY_SHOWN.mtimeNs);
    expect(attributesOf(rootfs('srv/www'))).toBe(expectedMode);
    expect(acls(rootfs('srv/www'))).toBe(expected);
    expect(expected).toContain('default:user:1234:r-x');
    expect(acls(rootfs('srv/www/a'))).not.toContain('1234');
    const names = execFileSync('getfattr', ['-m', '-', '--absolute-names', `${upper}/srv/www`]).toString();
    expect(names).toContain('user.note');
    expect(names).not.toContain('trusted.overlay.origin=');
  });

  it('takes a negative time as it is', async () => {
    const old = { ...STICKY, mtime: { seconds: -2, nanoseconds: 750_000_000 } };
    await mount(layer('base', dir('old', old)), layer('app', file('old/x')));
    expect(attributes('old').mtimeNs).toBe(-1_250_000_000n);
  });

  it('gives the root what the topmost layer that names it says', async () => {
    await mount(layer('base', dir('.', { ...STICKY, mode: 0o711 })), layer('app', file('x')));
    expect(attributes('')).toEqual({ ...STICKY_SHOWN, mode: '711' });
  });

  it('gives 0755, 0:0 and mtime 0 to a root and to directories that no layer names', async () => {
    await mount(layer('one', file('opt/a/x')), layer('two', file('opt/a/y')));
    for (const path of ['', 'opt', 'opt/a']) expect(attributes(path), path).toMatchObject(DEFAULTS);
    expect(attributes('').mtimeNs).toBe(0n);
  });

  it('takes nothing from a directory that was removed in between', async () => {
    await mount(layer('base', dir('tmp', STICKY)), layer('gone', whiteout('tmp')), layer('app', file('tmp/x')));
    expect(attributes('tmp')).toMatchObject(DEFAULTS);
  });

  it('takes nothing from below when the layer itself hides it', async () => {
    const app = layer('app', whiteout('tmp'), file('tmp/x'), opaque('srv'), file('srv/y'));
    await mount(layer('base', dir('tmp', STICKY), file('tmp/old'), dir('srv', STICKY), file('srv/old')), app);
    expect([readdirSync(rootfs('tmp')), readdirSync(rootfs('srv'))]).toEqual([['x'], ['y']]);
    expect(attributes('tmp')).toMatchObject(DEFAULTS);
  });

  it('does not bring back what a layer above removed', async () => {
    await mount(layer('base', dir('tmp', STICKY)), layer('app', file('tmp/x')), layer('top', whiteout('tmp')));
    expect(readdirSync(rootfs())).toEqual([]);
  });

  it('handles names that are not UTF-8', async () => {
    await mount(layer('base', dir('d\u00ff', STICKY)), layer('app', file('d\u00ff/x')));
    const name = readdirSync(rootfs(), { encoding: 'buffer' })[0] ?? Buffer.alloc(0);
    expect([...name]).toEqual([0x64, 0xff]);
    expect(lstatSync(Buffer.concat([Buffer.from(`${rootfs()}/`), name])).mode & 0o7777).toBe(0o1777);
  });

  it('shows the topmost copy of a repeated layer', async () => {
    const a = layer('a', file('who', 'a'), file('only-a'), dir('tmp', STICKY));
    const b = layer('b', file('who', 'b'), whiteout('only-a'), file('tmp/b'));
    await mount(a, b, a);
    expect(readFileSync(rootfs('who'), 'utf8')).toBe('a');
    expect(readdirSync(rootfs()).sort()).toEqual(['only-a', 'tmp', 'who']);
    expect(attributes('tmp')).toEqual(STICKY_SHOWN);
    await snapshotter().unmount(rootfs());
    await mount(a, b);
    expect(readFileSync(rootfs('who'), 'utf8')).toBe('b');
    expect(readdirSync(rootfs()).sort()).toEqual(['tmp', 'who']);
  });

  it('is writable, and its layers stay as they were', async () => {
    const base = layer('base', dir('etc', { mode: 0o755 }), file('etc/hosts', 'from the image'));
    await mount(base);
    writeFileSync(rootfs('etc/hosts'), 'changed');
    expect(readFileSync(`${base.path}/etc/hosts`, 'utf8')).toBe('from the image');
  });
});

function attributesOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

describeWith(['root'], 'the snapshotter', () => {
  it('remembers the mount before it makes it', async () => {
    const base = layer('base', file('x'));
    refuse = ({ kind }) => {
      if (kind === 'mountSnapshot') expect(store.listMounts()).toHaveLength(1);
    };
    const { id, target, upper } = await mount(base);
    expect(store.listMounts()).toEqual([{ id, target, layers: [base.record.key], upper, imageDigest: IMAGE }]);
    expect(target).toBe(rootfs());
    expect(checkpoints).toEqual(['upper-made', 'upper-prepared', 'mount-recorded', 'mounted']);
  });

  it('unmounts, forgets and throws the upper away', async () => {
    await mount(layer('base', file('x')));
    writeFileSync(rootfs('new'), '');
    expect(await snapshotter().unmount(rootfs())).toBe(true);
    expect([mountsBelow(scratch.path), store.listMounts(), readdirSync(scratch.join('data/uppers'))]).toEqual([
      [],
      [],
      [],
    ]);
    await store.close();
    expect(readdirSync(scratch.join('data/trash'))).toEqual([]);
  });

  it('says that nothing was mounted, and forgets what it remembered all the same', async () => {
    await mount(layer('base', file('x')));
    execFileSync('umount', [rootfs()]);
    expect(await snapshotter().unmount(rootfs())).toBe(false);
    expect([store.listMounts(), readdirSync(scratch.join('data/uppers'))]).toEqual([[], []]);
  });

  it('keeps the upper while a container has the mount in its own namespace', async () => {
    await mount(layer('base', file('x', 'image')));
    writeFileSync(rootfs('new'), 'container');
    const container = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', FORGET_OTHERS, rootfs()], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await once(container.stdout, 'data');
      const mountinfo = `/proc/${container.pid}/mountinfo`;
      isMounted = (id) => existsSync(mountinfo) && mountsUpper(readFileSync(mountinfo, 'latin1'), id);
      expect(await snapshotter().unmount(rootfs())).toBe(true);
      expect(mountsBelow(scratch.path)).toEqual([]);
      expect(store.listMounts()).toHaveLength(1);
      expect(readFileSync(`/proc/${container.pid}/root${rootfs('new')}`, 'utf8')).toBe('container');
    } finally {
      container.stdin.end();
      await once(container, 'close');
    }
    expect(await snapshotter().unmount(rootfs())).toBe(false);
    expect([store.listMounts(), readdirSync(scratch.join('data/uppers'))]).toEqual([[], []]);
  });

  it('finds a mounted upper in procfs, and no other', async () => {
    const { id } = await mount(layer('base', file('x')));
    expect(isUpperMounted(id)).toBe(true);
    expect(isUpperMounted('0'.repeat(32))).toBe(false);
  });

  it('unmounts one of two and leaves the other', async () => {
    mkdirSync(scratch.join('other'));
    const base = layer('base', file('x'));
    const target = { path: scratch.join('other'), heldFd: undefined };
    await mount(base);
    await snapshotter().mount({ layers: [base], target, imageDigest: IMAGE, call: {} });
    await snapshotter().unmount(rootfs());
    expect(mountsBelow(scratch.path)).toEqual([scratch.join('other')]);
    expect(store.listMounts().map((record) => record.target)).toEqual([scratch.join('other')]);
  });

  it.each(['prepareUpper', 'mountSnapshot'] as const)('leaves nothing when %s fails', async (kind) => {
    refuse = (operation) => {
      if (operation.kind === kind) throw new SealiftError('SNAPSHOT_MOUNT_FAILED', 'mount: disk gone');
    };
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => mount(layer('base', file('x'))));
    expect([mountsBelow(scratch.path), store.listMounts(), readdirSync(scratch.join('data/uppers'))]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it('keeps upper and record when it cannot unmount', async () => {
    await mount(layer('base', file('x')));
    refuse = ({ kind }) => {
      if (kind === 'unmountSnapshot') throw new SealiftError('SNAPSHOT_MOUNT_FAILED', 'unmount: EBUSY');
    };
    await expectFailure('SNAPSHOT_MOUNT_FAILED', () => snapshotter().unmount(rootfs()));
    expect(store.listMounts()).toHaveLength(1);
    expect(readdirSync(scratch.join('data/uppers'))).toHaveLength(1);
  });
});

describeWith(['root'], 'planLayers on real layers', () => {
  const run = inlineSnapshotRunner();
  const inQuestion = (top: SnapshotLayer, ...below: SnapshotLayer[]) =>
    run('planLayers', {
      layers: [...below, top].map(({ path: directory, paths: facts }) => ({ directory, facts })),
      from: below.length,
      steps: { limit: 100, taken: 0 },
      maxPlanBytes: DEFAULT_LIMITS.maxPlanBytes,
    });
  const usrMerge = () => layer('base', dir('usr'), dir('usr/lib'), link('lib', 'usr/lib'), file('bin', 'no directory'));
  const link = (name: string, target: string): TarMember => ({ type: '2', name, linkname: target });

  it('finds the symlinked parent', async () => {
    expect(await inQuestion(layer('app', file('lib/x.so')), usrMerge())).toEqual({
      kind: 'needs-chain',
      position: 1,
      steps: 4,
      reasons: [{ kind: 'symlinked-parent', path: 'lib', target: 'usr/lib' }],
    });
  });

  it.each<[string, TarMember[]]>([
    ['names the directory itself', [dir('lib'), file('lib/x.so')]],
    ['removes the symlink itself', [whiteout('lib'), file('lib/x.so')]],
    ['goes elsewhere', [file('usr/lib/x.so')]],
  ])('finds a layer independent that %s', async (_, members) => {
    expect(await inQuestion(layer('app', ...members), usrMerge())).toMatchObject({ kind: 'independent' });
  });

  it('looks past a layer that removed the symlink', async () => {
    const plan = await inQuestion(layer('app', file('lib/x.so')), usrMerge(), layer('gone', whiteout('lib')));
    expect(plan).toEqual({ kind: 'independent', steps: 5 });
  });

  it('refuses a file for a parent', async () => {
    await expectFailure('UNPACK_ENTRY_INVALID', () => inQuestion(layer('app', file('bin/x')), usrMerge()));
  });

  it('counts the names in the facts of each layer in question once, and each name of a path that it looks up', async () => {
    const below = layer('base', dir('a'), dir('a/b'));
    // Read: the root, `a` and `a/b`. Looked at in the layer below: two names. Looked up: `a` and `a/b`.
    expect(await inQuestion(layer('app', file('a/b/x')), below)).toEqual({ kind: 'independent', steps: 4 + 2 + 3 });
  });

  it('goes on counting from what the plans before have taken', async () => {
    const { path: directory, paths: facts } = layer('app', file('a/b/x'));
    const plan = (taken: number) => {
      const { maxPlanBytes } = DEFAULT_LIMITS;
      return run('planLayers', { layers: [{ directory, facts }], from: 0, steps: { limit: 100, taken }, maxPlanBytes });
    };
    expect(await plan(95)).toEqual({ kind: 'independent', steps: 100 });
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => plan(96));
    expect(error.context).toEqual({ limit: 'maxPlanSteps', expected: 100, actual: 'more' });
  });
});
