import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toByteString } from '../../../src/bytes/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { lgetxattr, lsetxattr, mount, umount } from '../../../src/platform/index.ts';
import type { DirectoryWriterOptions } from '../../../src/unpack/directory/directory-writer.ts';
import { createDirectoryWriter, type LayerFacts } from '../../../src/unpack/index.ts';
import { feed, listTree, listXattrs, toEntry } from '../../support/builders/entries.ts';
import { block, char, dir, fifo, file, hardlink, symlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

type Options = Partial<Omit<DirectoryWriterOptions, 'root'>>;

function unpack(root: string, members: readonly TarMember[], options: Options = {}): LayerFacts {
  mkdirSync(root, { recursive: true });
  const writer = createDirectoryWriter({ root, form: 'overlay', privileged: true, limits: DEFAULT_LIMITS, ...options });
  try {
    feed(writer, members);
    return writer.facts();
  } finally {
    writer.close();
  }
}

function unpackLayers(root: string, layers: readonly (readonly TarMember[])[], options: Options = {}): LayerFacts {
  mkdirSync(root, { recursive: true });
  const writer = createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS, ...options });
  layers.forEach((members, at) => {
    if (at > 0) writer.beginLayer();
    feed(writer, members);
  });
  return writer.facts();
}

const mtimeNs = (path: string | Buffer) => lstatSync(path, { bigint: true }).mtimeNs;
const MTIME_NS = 1_600_000_000_123_456_789n;
/** A key in latin1: one character for each byte. */
const ODD_KEY = Buffer.from('user.ünï').toString('latin1');
const EMPTY_ACL_HEADER = Buffer.from([2, 0, 0, 0]);

/** posix_acl_xattr: version 2, then tag, permissions and id of each entry. */
function acl(...entries: readonly (readonly [tag: number, permissions: number, id?: number])[]): Buffer {
  const rows = entries.map(([tag, permissions, id = 0xffffffff]) => {
    const row = Buffer.alloc(8);
    row.writeUInt16LE(tag, 0);
    row.writeUInt16LE(permissions, 2);
    row.writeUInt32LE(id, 4);
    return row;
  });
  return Buffer.concat([EMPTY_ACL_HEADER, ...rows]);
}

/** user::rwx user:1000:rwx group::r-x mask::rwx other::r-x */
const ACL = acl([1, 7], [2, 7, 1000], [4, 5], [16, 7], [32, 5]);
const USER = 4_242;
/** cap_net_raw+ep, revision 2. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

describeWith(['root'], 'directory writer: types and attributes', () => {
  it('makes every type of entry', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [
      dir('d', { mode: 0o750 }),
      file('d/f', 'content', { mode: 0o640 }),
      file('empty', '', { mode: 0o600 }),
      symlink('link', '../any/where'),
      hardlink('again', 'd/f'),
      fifo('fifo', { mode: 0o622 }),
      char('null', 1, 3, { mode: 0o666 }),
      block('disk', 259, 70_000, { mode: 0o660 }),
    ]);
    expect(listTree(root)).toEqual({
      d: 'directory 750',
      'd/f': 'file 640 content',
      empty: 'file 600 ',
      link: 'symlink ../any/where',
      again: 'file 640 content',
      fifo: 'fifo 622',
      null: 'char 666 1:3',
      disk: 'block 660 259:70000',
    });
    expect(lstatSync(`${root}/again`).ino).toBe(lstatSync(`${root}/d/f`).ino);
    expect(facts).toEqual({
      entries: 8,
      contentBytes: 7,
      implied: [{ path: '', cut: false }],
      unresolvedLinks: [],
      traversed: [],
      marked: [],
      dropped: {},
    });
  });

  it('keeps times to the nanosecond on every type, those of directories although they are filled later', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const before1970 = { seconds: -3, nanoseconds: 500_000_001 };
    unpack(root, [
      dir('./'),
      dir('d'),
      dir('d/e', { mtime: before1970 }),
      file('d/e/f', 'x'),
      symlink('d/l', 'f'),
      fifo('d/p'),
      char('d/c', 1, 3),
      file('d/later', '', { mtime: before1970 }),
    ]);
    for (const name of ['', 'd', 'd/e/f', 'd/l', 'd/p', 'd/c']) expect(mtimeNs(`${root}/${name}`), name).toBe(MTIME_NS);
    expect(mtimeNs(`${root}/d/e`)).toBe(-2_499_999_999n);
    expect(mtimeNs(`${root}/d/later`)).toBe(-2_499_999_999n);
  });

  it('keeps owners up to the largest, on links too', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const owner = { uid: 1000, gid: 4_294_967_294 };
    unpack(root, [
      dir('d', owner),
      file('d/f', '', owner),
      symlink('d/l', 'f', owner),
      fifo('d/p', owner),
      file('d/root'),
    ]);
    for (const name of ['d', 'd/f', 'd/l', 'd/p']) {
      const stat = lstatSync(`${root}/${name}`);
      expect([stat.uid, stat.gid], name).toEqual([owner.uid, owner.gid]);
    }
    expect(lstatSync(`${root}/d/root`).uid).toBe(0);
  });

  it('keeps setuid, setgid and sticky bits and capabilities although the owner is changed', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [
      file('su', 'x', { mode: 0o6755, uid: 5, gid: 6, xattrs: { 'security.capability': CAPABILITY } }),
      dir('tmp', { mode: 0o1777, uid: 5 }),
      file('own', 'x', { mode: 0o4711 }),
    ]);
    expect(listTree(root)).toEqual({ su: 'file 6755 x', tmp: 'directory 1777', own: 'file 4711 x' });
    expect(listXattrs(`${root}/su`)).toEqual({ 'security.capability': CAPABILITY.toString('latin1') });
  });

  it('makes modes that the umask would cut', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const old = process.umask(0o077);
    try {
      unpack(root, [
        file('f', '', { mode: 0o666 }),
        dir('d', { mode: 0o777 }),
        dir('e', { mode: 0o700 }),
        fifo('p', { mode: 0o622 }),
        file('implied/f', '', { mode: 0o644 }),
      ]);
    } finally {
      process.umask(old);
    }
    expect(listTree(root)).toEqual({
      f: 'file 666 ',
      d: 'directory 777',
      e: 'directory 700',
      p: 'fifo 622',
      implied: 'directory 755',
      'implied/f': 'file 644 ',
    });
  });

  it('lets neither group nor setgid of a directory pass on to what is made inside', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const inside = [file('staff/f'), dir('staff/d'), symlink('staff/l', 'f')];
    unpack(root, [dir('staff', { mode: 0o2775, gid: 50 }), ...inside]);
    expect(listTree(root)['staff']).toBe('directory 2775');
    expect(listTree(root)['staff/d']).toBe('directory 755');
    for (const name of ['f', 'd', 'l']) expect(lstatSync(`${root}/staff/${name}`).gid, name).toBe(0);
  });

  it('keeps extended attributes on files, directories and links, with values of any bytes', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [
      file('f', 'x', {
        mode: 0o444,
        xattrs: { 'user.bin': Buffer.from([0, 255, 10]), 'user.empty': '', 'trusted.t': 'v' },
      }),
      dir('d', { xattrs: { 'user.d': 'dir', [ODD_KEY]: 'name' } }),
      symlink('l', 'f', { xattrs: { 'trusted.l': 'link' } }),
    ]);
    expect(listXattrs(`${root}/f`)).toEqual({ 'trusted.t': 'v', 'user.bin': '\0\u00ff\n', 'user.empty': '' });
    expect(listXattrs(`${root}/d`)).toEqual({ 'user.d': 'dir', [ODD_KEY]: 'name' });
    expect(listXattrs(`${root}/l`)).toEqual({ 'trusted.l': 'link' });
  });

  it('passes on no ACL that the root has from the directory around it', () => {
    using scratch = new Scratch();
    const around = scratch.join('around');
    mkdirSync(around);
    lsetxattr(around, 'system.posix_acl_default', ACL);
    const root = `${around}/root`;
    unpack(root, [dir('.'), dir('d', { mode: 0o700 }), file('d/f', '', { mode: 0o640 }), file('i/f')]);
    expect(listTree(root)).toEqual({
      d: 'directory 700',
      'd/f': 'file 640 ',
      i: 'directory 755',
      'i/f': 'file 644 ',
    });
    for (const path of ['', '/d', '/d/f', '/i', '/i/f']) expect(listXattrs(`${root}${path}`)).toEqual({});
  });

  it('keeps access and default ACLs, and lets no default ACL pass on to what is made inside', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const text = ACL.toString('latin1');
    unpack(root, [
      dir('d', { mode: 0o775, xattrs: { 'system.posix_acl_default': ACL } }),
      file('d/f', '', { mode: 0o644 }),
      dir('d/e'),
      file('with', '', { mode: 0o775, xattrs: { 'system.posix_acl_access': ACL } }),
    ]);
    expect(listXattrs(`${root}/d`)).toEqual({ 'system.posix_acl_default': text });
    expect(listXattrs(`${root}/with`)).toEqual({ 'system.posix_acl_access': text });
    expect(listXattrs(`${root}/d/f`)).toEqual({});
    expect(listXattrs(`${root}/d/e`)).toEqual({});
    expect(listTree(root)['d/f']).toBe('file 644 ');
  });

  it('leaves out and counts attributes that an image must not set or that cannot be', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const { dropped } = unpack(root, [
      file('f', '', {
        xattrs: { 'trusted.overlay.redirect': '/etc', 'user.overlay.opaque': 'y', 'security.selinux': 'l' },
      }),
      dir('d', { xattrs: { 'trusted.overlay.opaque': 'y', 'system.nfs4_acl': 'x', 'unknown.space': 'x' } }),
      symlink('l', 'f', { xattrs: { 'user.l': 'x' } }),
      fifo('p', { xattrs: { 'user.p': 'x' } }),
    ]);
    expect(dropped).toEqual({
      'nfs4-acl': 1,
      'overlay-xattr': 3,
      'selinux-xattr': 1,
      'user-xattr-on-special': 2,
      'xattr-unsupported': 1,
    });
    expect(listXattrs(`${root}/f`)).toEqual({});
    expect(listXattrs(`${root}/d`)).toEqual({});
  });

  it('counts user attributes where the file system has none, and refuses to lose capabilities there', async () => {
    using scratch = new Scratch();
    const target = scratch.join('ramfs');
    mkdirSync(target);
    mount({ source: 'none', target, type: 'ramfs' });
    try {
      const user = file('f', 'x', { xattrs: { 'user.a': 'b' } });
      expect(unpack(`${target}/one`, [user]).dropped).toEqual({ 'xattr-unsupported': 1 });
      const capable = file('f', 'x', { xattrs: { 'security.capability': CAPABILITY } });
      await expectFailure('UNPACK_FILESYSTEM_UNSUPPORTED', () => unpack(`${target}/two`, [capable]));
    } finally {
      umount(target);
    }
  });

  it('keeps names and link targets that are not UTF-8, byte by byte', () => {
    using scratch = new Scratch('ünïcode');
    const root = scratch.join('root');
    const odd = toByteString(Buffer.from([0xff, 0xfe, 0x41]));
    unpack(root, [dir(odd), file(`${odd}/\xe9`, 'content'), symlink('\xc3', odd)]);
    expect(listTree(Buffer.from(root).toString('latin1'))).toEqual({
      [odd]: 'directory 755',
      [`${odd}/\u00e9`]: 'file 644 content',
      '\u00c3': `symlink ${odd}`,
    });
  });

  it('cleans leading slashes and dots from names', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [file('/a', '1'), file('./b', '2'), file('c/./../d', '3'), dir('e/'), file('//e//f', '4')]);
    expect(listTree(root)).toEqual({
      a: 'file 644 1',
      b: 'file 644 2',
      d: 'file 644 3',
      e: 'directory 755',
      'e/f': 'file 644 4',
    });
  });

  it('applies an entry for the root to the root', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [dir('./', { mode: 0o711, uid: 3, xattrs: { 'user.r': 'r' } }), file('f')]);
    const stat = lstatSync(root);
    expect([stat.mode & 0o7777, stat.uid, mtimeNs(root)]).toEqual([0o711, 3, MTIME_NS]);
    expect(listXattrs(root)).toEqual({ 'user.r': 'r' });
    expect(facts.implied).toEqual([]);
  });

  it('gives a root that no entry names 0755, 0:0 and the epoch', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    mkdirSync(root, { mode: 0o700 });
    chmodSync(root, 0o2700);
    unpack(root, [file('f')]);
    expect([lstatSync(root).mode & 0o7777, mtimeNs(root)]).toEqual([0o755, 0n]);
  });

  it.each([
    ['a whiteout device', char('c', 0, 0)],
    ['a device number that no kernel has', char('c', 4_096, 0)],
    ['a device minor that no kernel has', block('c', 1, 1_048_576)],
    ['a symlink to nothing', symlink('l', '')],
    ['a name longer than the kernel takes', file('n'.repeat(256))],
    ['a malformed capability', file('f', '', { xattrs: { 'security.capability': 'x' } })],
    ['a malformed ACL', file('f', '', { xattrs: { 'system.posix_acl_access': 'x' } })],
    ['an attribute name longer than the kernel takes', file('f', '', { xattrs: { [`user.${'n'.repeat(300)}`]: 'x' } })],
  ])('refuses %s', async (_, bad) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const error = await expectFailure('UNPACK_ENTRY_INVALID', () => unpack(root, [file('before'), bad]));
    expect(error.message).toMatch(/^entry [cfln]+: /);
  });

  it('says how much room there is when there is none', async () => {
    using scratch = new Scratch();
    const target = scratch.join('small');
    mkdirSync(target);
    mount({ source: 'none', target, type: 'tmpfs', data: 'size=64k' });
    try {
      const big = file('big', Buffer.alloc(100_000));
      const error = await expectFailure('UNPACK_WRITE_FAILED', () => unpack(`${target}/root`, [big]));
      expect(error.message).toMatch(/^entry big: .*ENOSPC with 0 bytes and \d+ inodes free$/);
      expect(error.context).toMatchObject({ errno: 'ENOSPC', availableBytes: 0 });
    } finally {
      umount(target);
    }
  });

  it.each<[string, readonly TarMember[], readonly string[]]>([
    ['a whiteout', [dir('a'), file('a/.wh.x')], ['a']],
    ['an opaque mark and nothing else', [file('a/.wh..wh..opq')], ['a']],
    ['an opaque mark and a directory that is itself only marked', [file('a/.wh..wh..opq'), file('a/b/.wh.x')], ['a']],
    ['no mark that shows: the name is there', [file('a/.wh.x'), file('a/x')], []],
    ['no mark that shows: the directory is opaque', [dir('a'), file('a/.wh.x'), file('a/.wh..wh..opq')], []],
    ['no mark that shows: the directory is new', [file('.wh.a'), file('a/.wh.x'), file('a/y')], []],
    ['no mark that shows: the directory was replaced', [file('a/.wh.x'), file('a')], []],
  ])('says which directories have %s', (_, members, marked) => {
    using scratch = new Scratch();
    expect(unpack(scratch.join('root'), members).marked).toEqual(marked);
  });

  it('counts implied directories against the entry limit', async () => {
    using scratch = new Scratch();
    const limits = { ...DEFAULT_LIMITS, maxEntries: 10 };
    const deep = file('1/2/3/4/5/6/7/8/f');
    expect(unpack(scratch.join('one'), [deep], { limits }).entries).toBe(1);
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => unpack(scratch.join('two'), [deep, file('a/b/c')], { limits }));
  });

  it.each<[string, readonly TarMember[]]>([
    ['names', [file('a'.repeat(60)), file('b'.repeat(60))]],
    ['link targets', [symlink('a', 'x'.repeat(60)), symlink('b', 'y'.repeat(60))]],
    ['attributes of directories', ['a', 'b'].map((name) => dir(name, { xattrs: { 'user.x': 'x'.repeat(60) } }))],
  ])('bounds the memory that %s take', async (_, members) => {
    using scratch = new Scratch();
    const limits = { ...DEFAULT_LIMITS, maxTreeBytes: 100 };
    expect(unpack(scratch.join('one'), members.slice(1), { limits }).entries).toBe(1);
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => unpack(scratch.join('two'), members, { limits }));
  });

  it.each<[string, readonly TarMember[]]>([
    ['parents without an entry', [file('a/b/c/d/e/f'), file('A/B/C/D/E/F')]],
    ['links into lower layers', [hardlink('a', 'x'.repeat(30)), hardlink('b', 'x'.repeat(30))]],
  ])('bounds what the facts say of %s', async (_, members) => {
    using scratch = new Scratch();
    const limits = { ...DEFAULT_LIMITS, maxRecordBytes: 40 };
    expect(unpack(scratch.join('one'), members.slice(1), { limits }).entries).toBe(1);
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => unpack(scratch.join('two'), members, { limits }));
  });

  it('refuses a target that is not empty', async () => {
    using scratch = new Scratch();
    mkdirSync(scratch.join('root/there'), { recursive: true });
    await expectFailure('UNPACK_TARGET_INVALID', () => unpack(scratch.join('root'), []));
  });

  it('closes the file that a broken-off layer left open', () => {
    using scratch = new Scratch();
    const writer = createDirectoryWriter({
      root: scratch.path,
      form: 'overlay',
      privileged: true,
      limits: DEFAULT_LIMITS,
    });
    writer.entry(toEntry(file('f', 'content')));
    writer.data(Buffer.from('con'));
    writer.close();
    writer.close();
    expect(readFileSync(scratch.join('f'), 'utf8')).toBe('con');
  });

  it.each([
    ['an entry before all content came', (w: ReturnType<typeof createDirectoryWriter>) => w.entry(toEntry(file('g')))],
    ['the end before all content came', (w: ReturnType<typeof createDirectoryWriter>) => w.end()],
    ['more content than announced', (w: ReturnType<typeof createDirectoryWriter>) => w.data(Buffer.from('12'))],
    ['facts before the end', (w: ReturnType<typeof createDirectoryWriter>) => w.facts()],
  ])('takes %s for a bug', async (_, misuse) => {
    using scratch = new Scratch();
    const writer = createDirectoryWriter({
      root: scratch.path,
      form: 'overlay',
      privileged: true,
      limits: DEFAULT_LIMITS,
    });
    writer.entry(toEntry(file('f', 'x')));
    await expectFailure('INTERNAL', () => misuse(writer));
    writer.close();
  });
});

describeWith(['root'], 'directory writer: the same path twice in one layer', () => {
  const first: Record<string, readonly TarMember[]> = {
    file: [file('p', 'old', { uid: 7 })],
    directory: [dir('p', { mode: 0o700 }), dir('p/sub'), file('p/sub/f', 'old')],
    symlink: [symlink('p', 'elsewhere')],
    fifo: [fifo('p')],
  };
  const second: Record<string, readonly [TarMember, Record<string, string>]> = {
    file: [file('p', 'new', { mode: 0o600 }), { p: 'file 600 new' }],
    directory: [dir('p', { mode: 0o711 }), { p: 'directory 711' }],
    symlink: [symlink('p', 'other'), { p: 'symlink other' }],
    hardlink: [hardlink('p', 'elsewhere/f'), { p: 'file 644 kept' }],
    char: [char('p', 1, 5), { p: 'char 644 1:5' }],
  };
  const rows = Object.keys(first).flatMap((from) => Object.keys(second).map((to) => [to, from] as const));

  it.each(rows)('a %s over a %s takes its place', (to, from) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const elsewhere = [dir('elsewhere'), file('elsewhere/f', 'kept')];
    const kept = { elsewhere: 'directory 755', 'elsewhere/f': 'file 644 kept' };
    const [entry, expected] = second[to] ?? [];
    if (entry === undefined) throw new TypeError(to);
    const stays =
      from === 'directory' && to === 'directory' ? { 'p/sub': 'directory 755', 'p/sub/f': 'file 644 old' } : {};
    unpack(root, [...elsewhere, ...(first[from] ?? []), entry]);
    expect(listTree(root)).toEqual({ ...kept, ...expected, ...stays });
    if (to !== 'hardlink') expect(lstatSync(`${root}/p`).uid).toBe(0);
  });

  it('leaves the other names of a hard-linked file as they were', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [file('a', 'old'), hardlink('b', 'a'), file('a', 'new')]);
    expect(listTree(root)).toEqual({ a: 'file 644 new', b: 'file 644 old' });
  });

  it('takes the attributes of the last entry for a directory, and drops those of the first', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [
      dir('d', { mode: 0o2700, uid: 9, xattrs: { 'user.old': 'x' } }),
      file('d/f'),
      dir('d', { mode: 0o755, xattrs: { 'user.new': 'y' } }),
    ]);
    expect(listTree(root)).toEqual({ d: 'directory 755', 'd/f': 'file 644 ' });
    expect(lstatSync(`${root}/d`).uid).toBe(0);
    expect(listXattrs(`${root}/d`)).toEqual({ 'user.new': 'y' });
  });
});

describeWith(['root'], 'directory writer: hard links', () => {
  it('are names of one file, and their entries change nothing about it', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const other = { mode: 0o777, uid: 9, mtime: { seconds: 1, nanoseconds: 1 } };
    unpack(root, [file('a', 'x', { mode: 0o600 }), hardlink('b', '/a', other), hardlink('c', './b', other)]);
    const [a, b, c] = ['a', 'b', 'c'].map((name) => lstatSync(`${root}/${name}`));
    expect([b?.ino, c?.ino]).toEqual([a?.ino, a?.ino]);
    expect([a?.mode, a?.uid, mtimeNs(`${root}/a`)]).toEqual([0o100600, 0, MTIME_NS]);
  });

  it('to a symlink are names of the link', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [symlink('l', '/etc/passwd'), hardlink('m', 'l')]);
    expect(listTree(root)).toEqual({ l: 'symlink /etc/passwd', m: 'symlink /etc/passwd' });
  });

  it('find their target through symlinked directories, inside the root', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [dir('usr'), file('usr/f', 'x'), symlink('bin', '/usr'), hardlink('h', 'bin/f')]);
    expect(lstatSync(`${root}/h`).ino).toBe(lstatSync(`${root}/usr/f`).ino);
  });

  it('to what the layer does not have, or only later, are recorded and left out', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [hardlink('a/h', 'usr/bin/f'), hardlink('early', 'late'), file('late')]);
    expect(facts.unresolvedLinks).toEqual([
      { path: 'a/h', target: 'usr/bin/f' },
      { path: 'early', target: 'late' },
    ]);
    expect(listTree(root)).toEqual({ a: 'directory 755', late: 'file 644 ' });
  });

  it.each([
    ['a directory', [dir('d'), hardlink('h', 'd')]],
    ['the root', [hardlink('h', '/')]],
    ['itself', [file('h'), hardlink('h', './h')]],
    ['something inside what it replaces', [dir('h'), file('h/f'), hardlink('h', 'h/f')]],
  ])('to %s are refused', async (_, members) => {
    using scratch = new Scratch();
    await expectFailure('UNPACK_ENTRY_INVALID', () => unpack(scratch.path, members));
  });
});

describeWith(['root'], 'directory writer: implied directories', () => {
  it('are 0755, 0:0, mtime 0, and recorded', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [dir('.'), file('a/b/f', 'x')]);
    expect(facts.implied).toEqual([
      { path: 'a', cut: false },
      { path: 'a/b', cut: false },
    ]);
    expect(listTree(root)).toMatchObject({ a: 'directory 755', 'a/b': 'directory 755' });
    expect([mtimeNs(`${root}/a`), mtimeNs(`${root}/a/b`)]).toEqual([0n, 0n]);
  });

  it('stop being implied when their own entry comes', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [dir('.'), file('a/f'), dir('a', { mode: 0o700 })]);
    expect(facts.implied).toEqual([]);
    expect(listTree(root)).toEqual({ a: 'directory 700', 'a/f': 'file 644 ' });
  });

  it.each([
    ['a whiteout of it before', [file('.wh.a'), file('a/b/f')], { a: true, 'a/b': true }],
    ['a whiteout of it after', [file('a/b/f'), file('.wh.a')], { a: true, 'a/b': true }],
    ['its own opaque mark', [file('a/.wh..wh..opq'), file('a/b/f')], { a: false, 'a/b': true }],
    ['the opaque mark of its parent', [dir('a'), file('a/b/f'), file('a/.wh..wh..opq')], { 'a/b': true }],
    ['a whiteout of something else', [file('.wh.c'), file('a/b/f')], { a: false, 'a/b': false }],
  ])('know whether what lies below is hidden: %s', (_, members, expected) => {
    using scratch = new Scratch();
    const { implied } = unpack(scratch.path, [dir('.'), ...members]);
    expect(Object.fromEntries(implied.map(({ path, cut }) => [path, cut]))).toEqual(expected);
  });

  it('follow the symlinks of the layer, dangling ones too', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [symlink('lib', 'usr/lib'), file('lib/x', 'x'), symlink('abs', '/opt'), file('abs/y', 'y')]);
    expect(listTree(root)).toEqual({
      lib: 'symlink usr/lib',
      abs: 'symlink /opt',
      opt: 'directory 755',
      'opt/y': 'file 644 y',
      usr: 'directory 755',
      'usr/lib': 'directory 755',
      'usr/lib/x': 'file 644 x',
    });
  });

  it('cannot be where the layer has a file', async () => {
    using scratch = new Scratch();
    const error = await expectFailure('UNPACK_ENTRY_INVALID', () => unpack(scratch.path, [file('a'), file('a/b')]));
    expect(error.message).toBe('entry a/b: expected parent a to be a directory, got something else');
  });
});

describeWith(['root'], 'directory writer: whiteouts in overlay form', () => {
  const opaque = (root: string, path: string) => listXattrs(`${root}/${path}`)['trusted.overlay.opaque'];

  it.each([
    ['before', [file('d/.wh.gone'), file('d/here', 'x')]],
    ['after', [file('d/here', 'x'), file('d/.wh.gone', 'ignored content')]],
  ])('are devices 0:0 and never files, %s their neighbours', (_, members) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [dir('.'), dir('d'), ...members]);
    expect(listTree(root)).toEqual({ d: 'directory 755', 'd/gone': 'whiteout', 'd/here': 'file 644 x' });
    expect(lstatSync(`${root}/d/gone`).mode & 0o7777).toBe(0);
    expect(facts.contentBytes).toBe(1);
    expect(mtimeNs(`${root}/d`)).toBe(MTIME_NS);
  });

  it.each([
    ['before', [file('.wh.f'), file('.wh.d'), file('f', 'x'), dir('d'), file('d/g', 'y')]],
    ['after', [file('f', 'x'), dir('d'), file('d/g', 'y'), file('.wh.f'), file('.wh.d')]],
  ])('give way to the same name in the same layer, whose directory becomes opaque: whiteout %s', (_, members) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, members);
    expect(listTree(root)).toEqual({ f: 'file 644 x', d: 'directory 755', 'd/g': 'file 644 y' });
    expect(opaque(root, 'd')).toBe('y');
  });

  it.each([
    ['before', [file('d/.wh..wh..opq'), file('d/f', 'x')]],
    ['after', [file('d/f', 'x'), file('d/.wh..wh..opq')]],
  ])('make a directory opaque and keep what the layer has in it: mark %s', (_, members) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [dir('d'), ...members]);
    expect(listTree(root)).toEqual({ d: 'directory 755', 'd/f': 'file 644 x' });
    expect(opaque(root, 'd')).toBe('y');
  });

  it.each([
    ['file', file('d', 'x')],
    ['symlink', symlink('d', 'x')],
    ['fifo', fifo('d')],
  ])('are implied by a %s that a directory of the same name follows', (_, first) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [first, dir('d'), dir('e'), dir('e')]);
    expect([opaque(root, 'd'), opaque(root, 'e')]).toEqual(['y', undefined]);
  });

  it('count by name, whatever their type', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [dir('.wh.a/'), symlink('.wh.b', '/etc'), hardlink('.wh.c', 'd'), char('.wh.d', 0, 0)]);
    expect(listTree(root)).toEqual({ a: 'whiteout', b: 'whiteout', c: 'whiteout', d: 'whiteout' });
  });

  it('ignore and count the other names of aufs', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [
      dir('.wh..wh.plnk'),
      file('.wh..wh.plnk/1.2', 'content'),
      file('.wh..wh.aufs'),
      file('f', 'x'),
    ]);
    expect(listTree(root)).toEqual({ f: 'file 644 x' });
    expect(facts.dropped).toEqual({ 'aufs-metadata': 3 });
  });

  it('lead hard links to files that aufs kept for them, which are left out themselves', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [
      dir('.', { mode: 0o711 }),
      file('.wh..wh.plnk/1.2', 'earlier'),
      file('.wh..wh.plnk/1.2', 'content'),
      file('.wh..wh.plnk/unused', 'unused'),
      hardlink('a', '.wh..wh.plnk/1.2'),
      hardlink('d/b', '/.wh..wh.plnk//1.2'),
    ]);
    expect(listTree(root)).toEqual({ a: 'file 644 content', d: 'directory 755', 'd/b': 'file 644 content' });
    expect(lstatSync(`${root}/a`).ino).toBe(lstatSync(`${root}/d/b`).ino);
    expect(facts.implied.map(({ path }) => path)).toEqual(['d']);
    expect(facts.unresolvedLinks).toEqual([]);
    expect(facts.dropped).toEqual({ 'aufs-metadata': 3 });
  });

  it('of aufs are nowhere that another entry can reach', async () => {
    using scratch = new Scratch();
    const link = symlink('link', '.wh..wh.plnk');
    const members = [file('.wh..wh.plnk/1', 'x'), link, file('link/f')];
    await expectFailure('UNPACK_ENTRY_INVALID', () => unpack(scratch.join('root'), members));
    const facts = unpack(scratch.join('other'), [file('.wh..wh.plnk/1', 'x'), hardlink('a', '.wh..wh.plnk/2')]);
    expect(facts.unresolvedLinks).toHaveLength(1);
  });

  it('in a symlinked directory hide what lies where the link leads', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpack(root, [dir('usr'), symlink('bin', 'usr'), file('bin/.wh.x')]);
    expect(listTree(root)).toEqual({ usr: 'directory 755', bin: 'symlink usr', 'usr/x': 'whiteout' });
  });

  it('bring about no directory that is hidden itself', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const facts = unpack(root, [dir('.'), file('d/e/.wh.x'), file('.wh.d')]);
    expect(listTree(root)).toEqual({ d: 'whiteout' });
    expect(facts.implied).toEqual([]);
  });

  it('say that everything below is hidden when the mark is on the root', () => {
    using scratch = new Scratch();
    unpack(scratch.path, [file('.wh..wh..opq'), file('f')]);
    expect(lgetxattr(scratch.path, 'trusted.overlay.opaque')?.toString()).toBe('y');
    expect(listTree(scratch.path)).toEqual({ f: 'file 644 ' });
  });

  it.each(['.wh.', 'd/.wh..', '.wh...', '.wh.x/f'])('refuse %j', async (name) => {
    using scratch = new Scratch();
    await expectFailure('UNPACK_ENTRY_INVALID', () => unpack(scratch.path, [dir('d'), file(name)]));
  });
});

describeWith(['root'], 'directory writer: layers merged in order', () => {
  it.each([
    ['before', [file('d/.wh.a'), file('d/new', '3')]],
    ['after', [file('d/new', '3'), file('d/.wh.a')]],
  ])('deletes what earlier layers have under a whiteout: %s', (_, second) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpackLayers(root, [[dir('d'), dir('d/a'), file('d/a/f', '1'), file('d/b', '2')], second]);
    expect(listTree(root)).toEqual({ d: 'directory 755', 'd/b': 'file 644 2', 'd/new': 'file 644 3' });
  });

  it.each([
    ['before', [file('.wh.d'), file('d/sub/new', '3')]],
    ['after', [file('d/sub/new', '3'), file('.wh.d')]],
  ])('never deletes what the same layer has, but the attributes from below go: whiteout %s', (_, second) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const first = [dir('d', { mode: 0o700, uid: 4 }), dir('d/sub'), file('d/sub/old', '1'), file('d/old', '2')];
    unpackLayers(root, [first, second]);
    expect(listTree(root)).toEqual({ d: 'directory 755', 'd/sub': 'directory 755', 'd/sub/new': 'file 644 3' });
    expect([lstatSync(`${root}/d`).uid, mtimeNs(`${root}/d`)]).toEqual([0, 0n]);
  });

  it.each([
    ['before', [file('d/.wh..wh..opq'), file('d/new', '3'), file('d/f', 'n')]],
    ['after', [file('d/new', '3'), file('d/f', 'n'), file('d/.wh..wh..opq'), file('d/.wh..wh..opq')]],
  ])('empties a directory under an opaque mark of what earlier layers put there: mark %s', (_, second) => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const first = [dir('d', { mode: 0o711 }), dir('d/a'), file('d/a/f', '1'), file('d/f', '2')];
    unpackLayers(root, [first, second]);
    expect(listTree(root)).toEqual({ d: 'directory 711', 'd/new': 'file 644 3', 'd/f': 'file 644 n' });
    expect(mtimeNs(`${root}/d`)).toBe(MTIME_NS);
    expect(listXattrs(`${root}/d`)).toEqual({});
  });

  it('keeps the time of the root when a layer has files that aufs kept', () => {
    using scratch = new Scratch();
    const kept = [file('.wh..wh.plnk/1', '1'), hardlink('etc/a', '.wh..wh.plnk/1')];
    unpackLayers(scratch.path, [[dir('./'), dir('etc')], kept]);
    expect(listTree(scratch.path)).toEqual({ etc: 'directory 755', 'etc/a': 'file 644 1' });
    expect(mtimeNs(scratch.path)).toBe(MTIME_NS);
  });

  it('empties the root', () => {
    using scratch = new Scratch();
    unpackLayers(scratch.path, [
      [file('a'), dir('b'), file('b/c')],
      [file('new'), file('.wh..wh..opq')],
    ]);
    expect(listTree(scratch.path)).toEqual({ new: 'file 644 ' });
  });

  it('lets a whiteout of nothing be', () => {
    using scratch = new Scratch();
    unpackLayers(scratch.path, [[file('a')], [file('x/y/.wh.z'), file('.wh.none'), file('z/.wh..wh..opq')]]);
    expect(listTree(scratch.path)).toEqual({ a: 'file 644 ' });
  });

  it('follows the symlinks of earlier layers, inside the root', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpackLayers(root, [
      [dir('usr'), dir('usr/lib', { mode: 0o700 }), symlink('lib', 'usr/lib')],
      [file('lib/x', 'x'), hardlink('y', 'lib/x')],
    ]);
    expect(listTree(root)).toMatchObject({
      lib: 'symlink usr/lib',
      'usr/lib': 'directory 700',
      'usr/lib/x': 'file 644 x',
    });
    expect(lstatSync(`${root}/y`).ino).toBe(lstatSync(`${root}/usr/lib/x`).ino);
  });

  it('stops following a symlink that the layer hides first', () => {
    using scratch = new Scratch();
    unpackLayers(scratch.path, [
      [dir('usr'), symlink('lib', 'usr')],
      [file('.wh.lib'), file('lib/x')],
    ]);
    expect(listTree(scratch.path)).toEqual({ usr: 'directory 755', lib: 'directory 755', 'lib/x': 'file 644 ' });
  });

  it('keeps attributes of directories that later layers work in, and lets none of them pass on', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    const xattrs = { 'user.a': 'b', 'system.posix_acl_default': ACL };
    unpackLayers(root, [
      [dir('d', { mode: 0o2775, gid: 50, xattrs }), dir('d/e', { mode: 0o750 }), file('d/e/f')],
      [file('d/new'), dir('d/sub'), file('d/e/g')],
    ]);
    expect(listTree(root)).toEqual({
      d: 'directory 2775',
      'd/new': 'file 644 ',
      'd/sub': 'directory 755',
      'd/e': 'directory 750',
      'd/e/f': 'file 644 ',
      'd/e/g': 'file 644 ',
    });
    expect([lstatSync(`${root}/d/new`).gid, lstatSync(`${root}/d/sub`).gid, lstatSync(`${root}/d`).gid]).toEqual([
      0, 0, 50,
    ]);
    expect([mtimeNs(`${root}/d`), mtimeNs(`${root}/d/e`)]).toEqual([MTIME_NS, MTIME_NS]);
    expect(listXattrs(`${root}/d`)).toEqual({ 'system.posix_acl_default': ACL.toString('latin1'), 'user.a': 'b' });
    expect(listXattrs(`${root}/d/new`)).toEqual({});
  });

  it('replaces all attributes of a directory that a later layer names', () => {
    using scratch = new Scratch();
    const root = scratch.join('root');
    unpackLayers(root, [
      [dir('d', { mode: 0o700, uid: 8, xattrs: { 'user.old': 'x' } }), file('d/f')],
      [dir('d', { mode: 0o711, gid: 9, xattrs: { 'user.new': 'y' } })],
    ]);
    const stat = lstatSync(`${root}/d`);
    expect([stat.mode & 0o7777, stat.uid, stat.gid]).toEqual([0o711, 0, 9]);
    expect(listXattrs(`${root}/d`)).toEqual({ 'user.new': 'y' });
    expect(listTree(root)['d/f']).toBe('file 644 ');
  });

  it('has the facts of each layer by itself', () => {
    using scratch = new Scratch();
    const facts = unpackLayers(scratch.path, [[file('a', '12345'), file('.wh..wh.x')], [file('b', '1')]]);
    expect(facts).toMatchObject({ entries: 1, contentBytes: 1, dropped: {}, unresolvedLinks: [] });
  });

  it('refuses a hard link to nothing', async () => {
    using scratch = new Scratch();
    await expectFailure('UNPACK_ENTRY_INVALID', () => unpackLayers(scratch.path, [[file('a')], [hardlink('b', 'c')]]));
  });
});

describe('directory writer: without root', () => {
  /** Runs as an ordinary user, even if the tests run as root. */
  const asUser = (scratch: Scratch, layers: readonly (readonly TarMember[])[]) => {
    if (IS_ROOT) {
      chownSync(scratch.path, USER, USER);
      process.setegid?.(USER);
      process.seteuid?.(USER);
    }
    try {
      return unpackLayers(scratch.path, layers, { privileged: false });
    } finally {
      if (IS_ROOT) {
        process.seteuid?.(0);
        process.setegid?.(0);
      }
    }
  };

  it('unpacks what it can and counts what it left out', () => {
    using scratch = new Scratch();
    const facts = asUser(scratch, [
      [
        dir('.', { uid: 12_345 }),
        char('null', 1, 3, { uid: 12_345 }),
        hardlink('null2', 'null'),
        fifo('p', { uid: 12_345 }),
        file('f', 'x', { uid: 12_345, mode: 0o4755, xattrs: { 'trusted.a': 'b', 'security.capability': CAPABILITY } }),
        file('g', 'y', { uid: 12_345, mode: 0o444, xattrs: { 'user.a': 'b' } }),
      ],
    ]);
    expect(listTree(scratch.path)).toEqual({ p: 'fifo 644', f: 'file 4755 x', g: 'file 444 y' });
    expect(listXattrs(scratch.join('f'))).toEqual({});
    expect(listXattrs(scratch.join('g'))).toEqual({ 'user.a': 'b' });
    expect(facts.dropped).toEqual({ 'device-without-root': 1, 'owner-without-root': 4, 'xattr-without-root': 2 });
  });

  it('fills directories that nobody may write to, also with later layers, and closes them again', () => {
    using scratch = new Scratch();
    asUser(scratch, [
      [dir('d', { mode: 0o555, xattrs: { 'user.a': 'b' } }), dir('d/e', { mode: 0o000 }), file('d/e/f', 'x')],
      [file('d/e/g', 'y'), file('d/.wh.none')],
    ]);
    expect(lstatSync(scratch.join('d')).mode & 0o777).toBe(0o555);
    expect(lstatSync(scratch.join('d/e')).mode & 0o777).toBe(0);
    expect(listXattrs(scratch.join('d'))).toEqual({ 'user.a': 'b' });
    chmodSync(scratch.join('d'), 0o755);
    chmodSync(scratch.join('d/e'), 0o755);
    expect(listTree(scratch.path)).toMatchObject({ 'd/e/f': 'file 644 x', 'd/e/g': 'file 644 y' });
  });

  it('has no overlay form', async () => {
    using scratch = new Scratch();
    await expectFailure('PRIVILEGE_REQUIRED', () => unpack(scratch.path, [], { privileged: false }));
  });
});
