import { expect, it } from 'vitest';
import { feed } from '../../support/builders/entries.ts';
import { compareForms, type Layer } from '../../support/builders/layer-forms.ts';
import { block, char, dir, fifo, file, hardlink, symlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const NEEDS = ['root', 'fsck.erofs', 'getfattr'];
const from =
  (members: readonly TarMember[]): Layer =>
  (sink) =>
    feed(sink, members);

/** posix_acl_xattr: version 2, then tag, permissions and id of each entry. */
function acl(...entries: readonly (readonly [tag: number, permissions: number, id?: number])[]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  entries.forEach(([tag, permissions, id = 0xffffffff], at) => {
    bytes.writeUInt16LE(tag, 4 + at * 8);
    bytes.writeUInt16LE(permissions, 6 + at * 8);
    bytes.writeUInt32LE(id, 8 + at * 8);
  });
  return bytes;
}

const BASE_ACL = acl([1, 7], [4, 5], [32, 0]);
const NAMED_ACL = acl([1, 7], [2, 7, 1000], [4, 5], [16, 7], [32, 5]);
const MASKED_ACL = acl([1, 6], [4, 7], [16, 4], [32, 0]);
const CAPABILITY_2 = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const CAPABILITY_3 = Buffer.from('010000030020000000000000000000000000000000000000', 'hex');
const CAPABILITY_1 = Buffer.from('010000010020000000000000', 'hex');

const access = (value: Uint8Array) => ({ 'system.posix_acl_access': value });
const byDefault = (value: Uint8Array) => ({ 'system.posix_acl_default': value });

const namedByContent = (text: string): TarMember => file(text, text);

interface Case {
  readonly name: string;
  readonly layers: readonly (readonly TarMember[])[];
  readonly chained?: boolean;
}

const BASE = [
  dir('etc'),
  file('etc/passwd', 'root'),
  file('etc/group', 'root'),
  dir('usr'),
  dir('usr/lib', { mode: 0o1777, uid: 4 }),
  file('usr/lib/a', 'a', { xattrs: { 'user.a': 'b', 'trusted.c': 'd' } }),
  hardlink('usr/lib/b', 'usr/lib/a'),
  symlink('lib', 'usr/lib'),
  char('null', 1, 3),
];

const AGREED: readonly Case[] = [
  { name: 'nothing at all', layers: [[]] },
  {
    name: 'every type of entry, with owners, modes and times',
    layers: [
      [
        dir('./', { mode: 0o700, uid: 1 }),
        dir('d', { mode: 0o2750, uid: 70_000, gid: 4_294_967_294 }),
        file('d/f', 'content', { mode: 0o4711, uid: 4_294_967_294 }),
        file('empty', '', { mode: 0 }),
        file('block', Buffer.alloc(4096, 'b')),
        file('more', Buffer.alloc(4097, 'c')),
        symlink('link', '../any/where', { uid: 7 }),
        hardlink('again', 'd/f'),
        hardlink('linked', 'link'),
        fifo('fifo', { mode: 0o622 }),
        char('null', 1, 3, { mode: 0o666 }),
        block('disk', 4095, 1_048_575, { mode: 0o660 }),
        hardlink('disk2', 'disk'),
      ],
    ],
  },
  {
    name: 'times before 1970 and after 2038, to the nanosecond, on every type',
    layers: [
      [-2_000_000_000, -1, 0, 1, 2 ** 31, 2 ** 33].flatMap((seconds, at) => {
        const mtime = { seconds, nanoseconds: at === 0 ? 0 : 999_999_999 };
        return [dir(`d${at}`, { mtime }), file(`d${at}/f`, '', { mtime }), symlink(`l${at}`, 'x', { mtime })];
      }),
    ],
  },
  {
    name: 'names that are not UTF-8',
    layers: [[namedByContent('\xff\xfe\x01'), namedByContent('d\xe4/\xf6'), namedByContent('\n')]],
  },
  {
    name: 'names that sort before and after the dots',
    layers: [['!', '-', '.a', '..a', '...', '/', '0', '~', '\x01'].map((name) => namedByContent(`d/${name}x`))],
  },
  { name: 'parents without entries', layers: [[file('a/b/c/d', 'x'), dir('a/b')]] },
  {
    name: 'duplicates: the last wins, directories keep what is in them',
    layers: [
      [
        file('a', 'first'),
        file('a', 'second', { mode: 0o600 }),
        dir('d', { mode: 0o700, xattrs: { 'user.gone': '1' } }),
        file('d/kept'),
        dir('d', { mode: 0o711 }),
        file('turns', 'file'),
        dir('turns'),
        file('turns/into', 'directory'),
        dir('back'),
        file('back/gone'),
        file('back', 'file'),
        symlink('s', 'a'),
        file('s', 'no link'),
        file('h', 'one'),
        hardlink('h2', 'h'),
        file('h', 'two'),
      ],
    ],
  },
  {
    name: 'extended attributes on every type',
    layers: [
      [
        dir('d', { xattrs: { 'user.a': 'x', 'trusted.b': '', 'security.c': Buffer.from([0, 255, 10]) } }),
        file('f', 'f', { xattrs: { 'user.a': 'x'.repeat(500), 'user.b': '', 'trusted.t.u': 'v', 'security.x': 'y' } }),
        symlink('l', 'f', { xattrs: { 'user.dropped': 'x', 'trusted.kept': 'y' } }),
        fifo('p', { xattrs: { 'trusted.kept': 'y', 'user.dropped': 'x' } }),
        char('c', 1, 3, { xattrs: { 'security.kept': 'y' } }),
      ],
    ],
  },
  {
    name: 'attributes that are left out and counted',
    layers: [
      [
        file('f', '', {
          xattrs: {
            'trusted.overlay.opaque': 'y',
            'user.overlay.redirect': '/',
            'security.selinux': 'label',
            'system.nfs4_acl': 'x',
            'system.other': 'x',
            'btrfs.compression': 'zstd',
            odd: 'x',
            user: 'x',
          },
        }),
      ],
    ],
  },
  {
    name: 'capabilities of revisions 2 and 3',
    layers: [
      [
        file('two', 'x', { mode: 0o755, uid: 5, xattrs: { 'security.capability': CAPABILITY_2 } }),
        file('three', 'x', { mode: 0o755, xattrs: { 'security.capability': CAPABILITY_3 } }),
        dir('d', { xattrs: { 'security.capability': CAPABILITY_2 } }),
      ],
    ],
  },
  {
    name: 'ACLs, which the mode has the last word on',
    layers: [
      [
        file('equal', '', { mode: 0o750, xattrs: access(BASE_ACL) }),
        file('named', '', { mode: 0o640, xattrs: access(NAMED_ACL) }),
        file('masked', '', { mode: 0o664, xattrs: access(MASKED_ACL) }),
        dir('d', { mode: 0o2770, xattrs: { ...access(NAMED_ACL), ...byDefault(NAMED_ACL) } }),
        file('d/inside', '', { mode: 0o604 }),
        dir('base', { xattrs: byDefault(BASE_ACL) }),
        file('empty', '', { xattrs: access(Buffer.from([2, 0, 0, 0])) }),
        file('nothing', '', { xattrs: { ...access(Buffer.alloc(0)), ...byDefault(Buffer.alloc(0)) } }),
        file('old', '', { xattrs: access(Buffer.from([1, 0, 0, 0])) }),
        symlink('link', 'x', { xattrs: access(NAMED_ACL) }),
        fifo('p', { mode: 0o620, xattrs: access(NAMED_ACL) }),
      ],
    ],
  },
  {
    name: 'whiteouts and opaque marks, over what lies below',
    layers: [BASE, [file('etc/.wh.passwd'), file('usr/.wh..wh..opq'), file('usr/new'), file('.wh.null')]],
  },
  {
    name: 'marks after and before what they stand beside',
    layers: [
      BASE,
      [
        file('etc/passwd', 'new'),
        file('etc/.wh.passwd'),
        file('usr/new'),
        file('.wh.usr'),
        file('usr/.wh..wh..opq'),
        file('.wh.lib'),
        dir('lib'),
        file('lib/x'),
      ],
    ],
  },
  { name: 'an opaque root', layers: [BASE, [file('.wh..wh..opq'), file('only', 'x')]], chained: false },
  {
    name: 'hard links to files that aufs kept',
    layers: [[file('.wh..wh.plnk/1', 'content'), hardlink('a', '.wh..wh.plnk/1'), hardlink('d/b', '.wh..wh.plnk/1')]],
  },
  {
    name: 'a slash after a file',
    layers: [[file('dir/b/', 'y'), file('c/', '')]],
  },
  { name: 'marks of aufs', layers: [[file('.wh..wh.aufs', 'x'), file('.wh..wh.plnk/x', 'y'), file('a')]] },
  { name: 'a file that takes the place of a directory below', layers: [BASE, [file('etc', 'file')]] },
  { name: 'a directory that takes the place of a file below', layers: [BASE, [dir('null'), file('null/x')]] },
  { name: 'a link replaced by a directory within a layer', layers: [[symlink('a', 'b'), dir('a'), file('a/x')]] },
  {
    name: 'parents through links of the same layer',
    layers: [[symlink('a', 'b/c'), file('a/x', 'x'), symlink('abs', '/b'), file('abs/y')]],
  },
  { name: 'parents through links of a layer below', layers: [BASE, [file('lib/x', 'x'), file('lib/.wh.a')]] },
  {
    name: 'hard links into a layer below',
    layers: [BASE, [hardlink('c', 'usr/lib/a'), hardlink('null2', 'null'), hardlink('lib2', 'lib')]],
  },
  {
    name: 'hard links into a layer below that is then hidden',
    layers: [BASE, [hardlink('c', 'lib/a'), file('.wh.usr'), hardlink('p', 'etc/passwd'), file('etc/.wh..wh..opq')]],
  },
  {
    name: 'hard links that the layer cannot resolve by itself',
    layers: [BASE, [hardlink('c', 'usr/lib/a')]],
    chained: false,
  },
];

describeWith(NEEDS, 'erofs and directory forms show the same tree', () => {
  it.each(AGREED)('$name', async ({ layers, chained = true }) => {
    using scratch = new Scratch('forms');
    const { differences, refused, merged } = await compareForms(scratch.path, layers.map(from), { chained });
    expect(differences).toEqual([]);
    expect(refused).toBeUndefined();
    expect(merged?.get('.')?.type).toBe(chained ? 'directory' : undefined);
  });

  it('would show a difference', async () => {
    using scratch = new Scratch('forms');
    let mode = 0o600;
    const changing: Layer = (sink) => feed(sink, [file('f', '', { mode: mode++ })]);
    const { differences } = await compareForms(scratch.path, [changing]);
    expect(differences).toEqual(['"f": mode is "0601" and not "0600"', '"f": mode is "0601" and not "0600"']);
  });
});

const withAttribute = (xattrs: Record<string, string | Uint8Array>) => [file('f', '', { xattrs })];
const far = Array.from({ length: 15 }, () => 'n'.repeat(250)).join('/');

const REFUSED: readonly (Case & { readonly code: string })[] = [
  { name: 'a path above the root', code: 'UNPACK_PATH_ESCAPE', layers: [[file('../x')]] },
  { name: 'a hard link above the root', code: 'UNPACK_PATH_ESCAPE', layers: [[hardlink('x', '../y')]] },
  { name: 'a root that is no directory', code: 'UNPACK_ENTRY_INVALID', layers: [[file('.')]] },
  { name: 'a file as a parent', code: 'UNPACK_ENTRY_INVALID', layers: [[file('a'), file('a/b')]] },
  { name: 'a parent that is a file below', code: 'UNPACK_ENTRY_INVALID', layers: [BASE, [file('etc/passwd/x')]] },
  {
    name: 'links in a circle',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [[symlink('a', 'b'), symlink('b', 'a'), file('a/x')]],
  },
  { name: 'a hard link to a directory', code: 'UNPACK_ENTRY_INVALID', layers: [[dir('d'), hardlink('x', 'd')]] },
  { name: 'a hard link to itself', code: 'UNPACK_ENTRY_INVALID', layers: [[file('x'), hardlink('x', 'x')]] },
  { name: 'a hard link to nothing in any layer', code: 'UNPACK_ENTRY_INVALID', layers: [BASE, [hardlink('x', 'y')]] },
  { name: 'a device 0:0', code: 'UNPACK_ENTRY_INVALID', layers: [[char('c', 0, 0)]] },
  {
    name: 'a device that no kernel has',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [[block('b', 4096, 1)]],
  },
  { name: 'a whiteout of nothing', code: 'UNPACK_ENTRY_INVALID', layers: [[file('.wh.')]] },
  { name: 'a whiteout as a parent', code: 'UNPACK_ENTRY_INVALID', layers: [[file('.wh.a/b')]] },
  { name: 'a link without a target', code: 'UNPACK_ENTRY_INVALID', layers: [[symlink('a', '')]] },
  { name: 'a link target with a NUL', code: 'UNPACK_ENTRY_INVALID', layers: [[symlink('a', 'b\0c')]] },
  { name: 'a link target of 4096 bytes', code: 'UNPACK_ENTRY_INVALID', layers: [[symlink('a', 'x'.repeat(4096))]] },
  {
    name: 'a parent of 256 bytes behind a link',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [[symlink('a', 'x'.repeat(256)), file('a/b')]],
  },
  {
    name: 'a path over PATH_MAX behind links',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [[symlink('a', far), file(`a/${'m'.repeat(250)}/${'m'.repeat(250)}/x`)]],
  },
  {
    name: 'an attribute without a name behind its prefix',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute({ 'user.': 'x' })],
  },
  {
    name: 'an attribute with a name of 256 bytes',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute({ [`user.${'n'.repeat(251)}`]: 'x' })],
  },
  {
    name: 'an attribute value over 64 KiB',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute({ 'user.a': Buffer.alloc(65_537) })],
  },
  {
    name: 'capabilities of revision 1',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute({ 'security.capability': CAPABILITY_1 })],
  },
  {
    name: 'capabilities that are cut short',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute({ 'security.capability': CAPABILITY_2.subarray(0, 19) })],
  },
  { name: 'an ACL of three bytes', code: 'UNPACK_ENTRY_INVALID', layers: [withAttribute(access(Buffer.alloc(3)))] },
  {
    name: 'an ACL with half an entry',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute(access(NAMED_ACL.subarray(0, 8)))],
  },
  {
    name: 'an ACL out of order',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute(access(acl([4, 5], [1, 7], [32, 0])))],
  },
  {
    name: 'an ACL without the mask it needs',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute(access(acl([1, 7], [2, 7, 5], [4, 5], [32, 0])))],
  },
  {
    name: 'an ACL with an unknown tag',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute(access(acl([1, 7], [4, 5], [32, 0], [64, 0])))],
  },
  {
    name: 'an ACL for the undefined user',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute(access(acl([1, 7], [2, 7], [4, 5], [16, 7], [32, 0])))],
  },
  {
    name: 'an ACL with permissions over 7',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [withAttribute(access(acl([1, 8], [4, 5], [32, 0])))],
  },
  { name: 'a default ACL on a file', code: 'UNPACK_ENTRY_INVALID', layers: [withAttribute(byDefault(NAMED_ACL))] },
  {
    name: 'an attribute that cannot be on a directory',
    code: 'UNPACK_ENTRY_INVALID',
    layers: [[dir('d', { xattrs: { 'user.': 'x' } })]],
  },
];

describeWith(NEEDS, 'erofs and directory forms refuse with the same code', () => {
  it.each(REFUSED)('$name: $code', async ({ layers, code }) => {
    using scratch = new Scratch('forms');
    const { differences, refused } = await compareForms(scratch.path, layers.map(from));
    expect(differences).toEqual([]);
    expect(refused).toBe(code);
  });
});
