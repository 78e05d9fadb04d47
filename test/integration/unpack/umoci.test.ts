import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { mount, umount } from '../../../src/platform/index.ts';
import { createDirectoryWriter, type EntrySink, readTar } from '../../../src/unpack/index.ts';
import { lowerView } from '../../support/builders/lower-view.ts';
import {
  block,
  char,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  type TarMember,
  tar,
  whiteout,
} from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { compareTrees, readTree } from '../../support/oracles/tree.ts';
import { unpackLayersWithUmoci } from '../../support/oracles/umoci.ts';

const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const mtime = (seconds: number, nanoseconds = 0) => ({ mtime: { seconds, nanoseconds } });

/** Layers with an entry for every directory that they use, so that they can be mounted without a prepared upper. */
const LAYERS: readonly (readonly TarMember[])[] = [
  [
    dir('.', { mode: 0o711, ...mtime(1_000_000_000, 5) }),
    dir('bin', mtime(1_100_000_000, 999_999_999)),
    file('bin/su', 'su', { mode: 0o4755, uid: 0, gid: 5 }),
    file('bin/ping', 'ping', {
      mode: 0o755,
      uid: 7,
      xattrs: { 'security.capability': CAPABILITY, 'user.note': 'x\0y' },
    }),
    hardlink('bin/ping6', 'bin/ping', { uid: 99, mode: 0o600 }),
    symlink('bin/sh', '../../../busybox', { uid: 3, ...mtime(-5, 7) }),
    hardlink('bin/ash', 'bin/sh'),
    dir('tmp', { mode: 0o1777 }),
    dir('srv', { mode: 0o2775, gid: 50 }),
    file('srv/f', 'group 0'),
    dir('dev'),
    char('dev/null', 1, 3, { mode: 0o666 }),
    block('dev/disk', 259, 70_000, { mode: 0o660, gid: 6 }),
    fifo('dev/fifo', { mode: 0o622 }),
    dir('\u00ff\u00fe'),
    file('\u00ff\u00fe/\u00e9', 'bytes'),
    dir('opaque', { mode: 0o750 }),
    file('opaque/old', 'old'),
    dir('opaque/sub'),
    file('opaque/sub/old', 'old'),
    dir('gone'),
    file('gone/f', 'f'),
    file('one', '1'),
    dir('become-file'),
    file('become-file/x', 'x'),
    file('become-dir', 'x'),
    symlink('become-real', 'bin'),
  ],
  [
    dir('.', { mode: 0o755, ...mtime(1_200_000_000, 1) }),
    whiteout('gone'),
    whiteout('one'),
    dir('opaque', { mode: 0o711, ...mtime(1_300_000_000) }),
    opaque('opaque'),
    file('opaque/new', 'new'),
    file('become-file', 'file'),
    dir('become-dir', { mode: 0o700 }),
    file('become-dir/x', 'x'),
    dir('become-real'),
    file('become-real/x', 'x'),
    dir('srv', { mode: 0o2755, gid: 51, xattrs: { 'user.second': '2' } }),
    dir('srv/sub'),
    file('srv/sub/f', 'f'),
  ],
  [
    dir('.', { mode: 0o755, ...mtime(1_400_000_000, 2) }),
    file('one', 'again', { mode: 0o400 }),
    dir('tmp', { mode: 0o1777, ...mtime(1_500_000_000) }),
    whiteout('tmp/none'),
    dir('bin', { mode: 0o755, ...mtime(1_600_000_000, 3) }),
    file('bin/su', 'other', { mode: 0o755 }),
    whiteout('bin/ash'),
  ],
];

/** Unpacks the layers with umoci. */
async function umociTree(scratch: Scratch) {
  const rootfs = await unpackLayersWithUmoci(scratch.path, LAYERS);
  if (rootfs === undefined) throw new TypeError('expected umoci to unpack the layers');
  return readTree(rootfs);
}

function apply(members: readonly TarMember[], sink: EntrySink): void {
  const line = readTar(DEFAULT_LIMITS, sink);
  line.write(tar(members));
  line.end();
}

describeWith(['root', 'umoci', 'getfattr'], 'directory writer, next to umoci', () => {
  it('merges layers to the same tree', async () => {
    using scratch = new Scratch('umoci');
    const root = scratch.join('merged');
    mkdirSync(root);
    const writer = createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS });
    LAYERS.forEach((members, at) => {
      if (at > 0) writer.beginLayer();
      apply(members, writer);
    });
    const expected = await umociTree(scratch);
    expect(expected.size).toBeGreaterThan(20);
    expect(compareTrees(await readTree(root), expected)).toEqual([]);
  });

  it.each(['independent', 'chained'])('makes %s layers that overlayfs shows as the same tree', async (kind) => {
    using scratch = new Scratch('umoci');
    const lowers: string[] = [];
    LAYERS.forEach((members, at) => {
      const root = scratch.join(String(at));
      mkdirSync(root);
      const lower = kind === 'chained' ? lowerView(lowers) : undefined;
      apply(members, createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS }));
      lowers.unshift(root);
    });
    const target = scratch.join('mnt');
    mkdirSync(target);
    mount({ source: 'overlay', target, type: 'overlay', data: `lowerdir=${lowers.join(':')},metacopy=off` });
    try {
      expect(compareTrees(await readTree(target), await umociTree(scratch))).toEqual([]);
    } finally {
      umount(target);
    }
  });
});
