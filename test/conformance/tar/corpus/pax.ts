import {
  type Bytes,
  dir,
  file,
  type PaxRecords,
  padded,
  paxHeader,
  paxRecord,
  paxRecords,
  rawHeader,
  symlink,
  tar,
} from '../../../support/builders/tar-builder.ts';
import { beforeTail, type Cases, LATIN1_NAME, rawFile, sweep } from './cases.ts';

const MIB = 1024 * 1024;

function described(records: PaxRecords | Uint8Array): Buffer {
  return beforeTail(paxHeader(records), rawFile());
}

const RECORD_FORM: Cases = sweep(
  'pax-record',
  {
    'length-one-short': '11 path=abc\n',
    'length-one-long': '13 path=abc\n',
    'without-newline': '11 path=abc',
    'without-space': '12path=abcd\n',
    'without-equals': '12 pathabcd\n',
    'without-key': '9 =value\n',
    'without-value': '8 path=\n',
    'length-zero': '0 path=abc\n',
    'length-negative': '-12 path=abc\n',
    'length-signed': '+13 path=abc\n',
    'length-with-zeros': '0014 path=abc\n',
    'length-hexadecimal': '0xc path=abc\n',
    'length-missing': ' path=abc\n',
    'length-only': '12',
    'length-huge': '99999999999999999999999 path=abc\n',
    'length-beyond-end': '99 path=abc\n',
    'length-smaller-than-itself': '2 path=abc\n',
    'led-by-space': ' 13 path=abc\n',
    'led-by-newline': '\n13 path=abc\n',
    'tab-instead-of-space': '12\tpath=abc\n',
    'crlf-at-end': '13 path=abc\r\n',
    'then-nuls': '12 path=abc\n\0\0\0\0',
    'then-junk': '12 path=abc\njunk',
    'then-newline': '12 path=abc\n\n',
    'key-with-nul': '13 pa\0th=abc\n',
    'value-with-equals': '14 path=abc=d\n',
    'value-with-newline': '14 path=abc\nd\n',
    'nothing-at-all': '',
    'only-nuls': '\0'.repeat(12),
    shortest: '5 a=\n',
    'one-byte': 'x',
  },
  (body) => described(Buffer.from(body, 'latin1')),
);

const STRINGS: Cases = {
  ...sweep(
    'pax-nul-in',
    {
      path: 'path',
      linkpath: 'linkpath',
      uname: 'uname',
      gname: 'gname',
      comment: 'comment',
      xattr: 'SCHILY.xattr.user.a',
    },
    (key) => described([[key, 'a\0b']]),
  ),
  ...sweep<PaxRecords>(
    'pax-keys',
    {
      unknown: { 'VENDOR.key': 'value', comment: 'nothing', charset: 'BINARY', hdrcharset: 'BINARY' },
      'other-case': { PATH: 'other' },
      'key-with-space': { 'path ': 'other' },
      'path-twice': [
        ['path', 'first'],
        ['path', 'second'],
      ],
      'path-then-empty': [
        ['path', 'first'],
        ['path', ''],
      ],
      'empty-then-path': [
        ['path', ''],
        ['path', 'second'],
      ],
      'bad-uid-then-good': [
        ['uid', 'x'],
        ['uid', '7'],
      ],
      'good-uid-then-bad': [
        ['uid', '7'],
        ['uid', 'x'],
      ],
      'bad-uid-then-empty': [
        ['uid', 'x'],
        ['uid', ''],
      ],
      'path-not-utf8': [['path', LATIN1_NAME]],
      'path-with-slash-at-end': { path: 'directory/' },
      'path-numeric': { path: '12345' },
      'path-absolute': { path: '/etc/passwd' },
      devices: { 'SCHILY.devmajor': '7', 'SCHILY.devminor': '8' },
      prototype: { __proto__x: 'y', constructor: 'z', 'SCHILY.xattr.__proto__': 'p' },
    },
    described,
  ),
  'pax-path-with-slash-at-end-v7-type': beforeTail(paxHeader({ path: 'd/' }), rawHeader({ name: 'odd', type: '\0' })),
  'pax-path-without-slash-v7-type': beforeTail(paxHeader({ path: 'd' }), rawFile({ name: 'odd/', type: '\0' })),
  'pax-linkpath-of-symlink': beforeTail(paxHeader({ linkpath: 'l'.repeat(300) }), symlink('odd', 'short')),
  'pax-linkpath-empty': beforeTail(paxHeader({ linkpath: '' }), symlink('odd', 'short')),
  'pax-linkpath-of-file': beforeTail(paxHeader({ linkpath: 'there' }), rawFile()),
  'pax-path-4095-bytes': described({ path: `${'a'.repeat(199)}/`.repeat(20) + 'b'.repeat(95) }),
  'pax-path-4096-bytes': described({ path: `${'a'.repeat(199)}/`.repeat(20) + 'b'.repeat(96) }),
  'pax-path-component-255-bytes': described({ path: `a/${'b'.repeat(255)}/c` }),
  'pax-path-component-256-bytes': described({ path: `a/${'b'.repeat(256)}/c` }),
  'pax-path-1024-deep': described({ path: `${'a/'.repeat(1023)}b` }),
  'pax-path-1025-deep': described({ path: `${'a/'.repeat(1024)}b` }),
};

const INTEGERS: Record<string, string> = {
  five: '5',
  'led-by-zeros': '005',
  plus: '+5',
  minus: '-5',
  'minus-zero': '-0',
  'led-by-space': ' 5',
  'then-space': '5 ',
  'then-newline': '5\n',
  hexadecimal: '0x5',
  underscore: '0_5',
  fraction: '5.0',
  exponent: '5e0',
  letter: 'a',
  'only-sign': '-',
  empty: '',
  '2-to-32-less-2': '4294967294',
  '2-to-32-less-1': '4294967295',
  '2-to-32': '4294967296',
  '2-to-53-less-1': '9007199254740991',
  '2-to-53': '9007199254740992',
  '2-to-63-less-1': '9223372036854775807',
  '2-to-63': '9223372036854775808',
  '2-to-64': '18446744073709551616',
  'thousand-zeros': `${'0'.repeat(1000)}5`,
  infinity: 'Infinity',
};

const NUMBERS: Cases = {
  ...sweep('pax-uid', INTEGERS, (uid) => described({ uid })),
  ...sweep('pax-gid', INTEGERS, (gid) => described({ gid })),
  ...sweep('pax-size', INTEGERS, (size) => described({ size })),
  'pax-size-instead-of-zero': beforeTail(paxHeader({ size: '5' }), rawFile({ size: 0 })),
  'pax-size-zero-instead-of-five': beforeTail(paxHeader({ size: '0' }), rawFile()),
  'pax-size-600-instead-of-zero': beforeTail(
    paxHeader({ size: '600' }),
    rawHeader({ name: 'odd' }),
    padded('x'.repeat(600)),
  ),
  'pax-size-hides-an-archive': beforeTail(
    paxHeader({ size: '2048' }),
    rawHeader({ name: 'odd' }),
    tar([file('hidden', 'x')], { end: 'one-block' }),
  ),
  'pax-size-with-malformed-header-size': beforeTail(paxHeader({ size: '5' }), rawFile({ size: 'x' })),
  'pax-size-with-negative-header-size': beforeTail(paxHeader({ size: '5' }), rawFile({ size: Buffer.alloc(12, 0xff) })),
  'pax-size-of-directory': beforeTail(paxHeader({ size: '1024' }), dir('odd')),
  'pax-size-of-directory-negative': beforeTail(paxHeader({ size: '-1024' }), dir('odd')),
  'pax-size-beyond-end': tar([paxHeader({ size: '8192' }), rawFile()]),
};

const TIMES: Record<string, string> = {
  whole: '1600000000',
  nanoseconds: '1600000000.123456789',
  'one-digit': '1600000000.5',
  'ten-digits': '1600000000.1234567899',
  'hundred-digits': `1.${'123456789'.repeat(11)}0`,
  'point-at-end': '1600000000.',
  'point-first': '.5',
  'only-point': '.',
  negative: '-1.5',
  'negative-below-one': '-0.75',
  'negative-whole': '-86400',
  'negative-zero-fraction': '-1.0',
  plus: '+1.5',
  'minus-after-point': '1.-5',
  'two-points': '1.5.5',
  comma: '1,5',
  exponent: '1e3',
  'letter-after-nine-digits': '1.123456789x',
  'led-by-space': ' 1.5',
  empty: '',
  '2-to-53-less-1': '9007199254740991.5',
  '2-to-53': '9007199254740992',
  '2-to-63-less-1': '9223372036854775807',
  '2-to-63': '9223372036854775808',
  letter: 'x',
};

const XATTRS: Cases = {
  ...sweep<readonly (readonly [string, Bytes])[]>(
    'pax-xattr',
    {
      binary: [['security.capability', Buffer.from('01000002a0ff800000000000000000000a3d0a00', 'hex')]],
      newline: [['user.a', 'x\n12 path=abc\n']],
      empty: [['user.a', '']],
      twice: [
        ['user.a', '1'],
        ['user.a', '2'],
      ],
      'then-empty': [
        ['user.a', '1'],
        ['user.a', ''],
      ],
      several: [
        ['user.a', '1'],
        ['user.b', '2'],
        ['trusted.c', '3'],
      ],
      'without-name': [['', 'x']],
      'name-not-utf8': [['user.\xff\xe4', 'x']],
      'name-with-dots-and-spaces': [['user.a b..c', 'x']],
      'name-255-bytes': [[`user.${'n'.repeat(250)}`, 'x']],
      'name-256-bytes': [[`user.${'n'.repeat(251)}`, 'x']],
      'value-64-kib': [['user.a', Buffer.alloc(65536, 0xe4)]],
      'value-64-kib-and-one': [['user.a', Buffer.alloc(65537, 0xe4)]],
    },
    (xattrs) => described(xattrs.map(([name, value]) => [`SCHILY.xattr.${name}`, value])),
  ),
  'pax-xattr-of-directory': beforeTail(dir('odd', { xattrs: { 'user.a': 'x' } })),
  'pax-xattr-of-symlink': beforeTail(symlink('odd', 'there', { xattrs: { 'trusted.a': 'x' } })),
  'pax-xattr-libarchive': described({
    'LIBARCHIVE.xattr.user.a': 'eA==',
    'RHT.security.selinux': 'x',
    'SCHILY.acl.access': 'u::rwx',
  }),
};

const SIZES: Cases = {
  'pax-1-mib': described(exactBody(MIB)),
  'pax-1-mib-and-one': described(exactBody(MIB + 1)),
  'pax-size-0': beforeTail(rawHeader({ type: 'x', name: 'pax' }), rawFile()),
  'pax-size-negative': beforeTail(rawHeader({ type: 'x', name: 'pax', size: Buffer.alloc(12, 0xff) }), rawFile()),
  'pax-size-base256': beforeTail(
    rawHeader({ type: 'x', name: 'pax', size: Buffer.from('80000000000000000000000c', 'hex') }),
    padded(paxRecord('path', 'abc')),
    rawFile(),
  ),
  'pax-many-records': described(Array.from({ length: 5000 }, (_, index) => [`VENDOR.key${index}`, 'v'] as const)),
};

function exactBody(size: number): Buffer {
  const body = paxRecord('comment', 'c'.repeat(size - 17));
  if (body.length !== size) throw new Error(`expected a record of ${size} bytes, got ${body.length}`);
  return body;
}

const SPARSE: Cases = sweep<PaxRecords>(
  'pax-sparse',
  {
    '0.0': [
      ['GNU.sparse.size', '10'],
      ['GNU.sparse.numblocks', '1'],
      ['GNU.sparse.offset', '0'],
      ['GNU.sparse.numbytes', '5'],
    ],
    '0.0-out-of-order': [
      ['GNU.sparse.numbytes', '5'],
      ['GNU.sparse.offset', '0'],
    ],
    '0.1': { 'GNU.sparse.size': '10', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '0,5', 'GNU.sparse.name': 'real' },
    '1.0': { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'real', 'GNU.sparse.realsize': '10' },
    'unknown-version': { 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' },
    'only-name': { 'GNU.sparse.name': 'real' },
  },
  described,
);

export const PAX_CASES: Cases = {
  ...RECORD_FORM,
  ...STRINGS,
  ...NUMBERS,
  ...sweep('pax-mtime', TIMES, (mtime) => described({ mtime })),
  ...sweep('pax-atime', { good: '1.5', bad: 'x' }, (atime) => described({ atime })),
  ...sweep('pax-ctime', { good: '1.5', bad: '1.5.5' }, (ctime) => described({ ctime })),
  ...XATTRS,
  ...SIZES,
  ...SPARSE,
  'pax-global-comment': beforeTail(paxHeader({ comment: 'made by git' }, 'g'), rawFile()),
  'pax-global-path-applies-to-nothing': beforeTail(paxHeader({ path: 'other', size: '0', uid: '7' }, 'g'), rawFile()),
  'pax-global-malformed': beforeTail(paxHeader(Buffer.from('9 =value\n'), 'g'), rawFile()),
  'pax-global-nul-in-path': beforeTail(paxHeader([['path', 'a\0b']], 'g'), rawFile()),
  'pax-global-bad-mtime': beforeTail(paxHeader({ mtime: 'x' }, 'g'), rawFile()),
  'pax-global-sparse-out-of-order': beforeTail(paxHeader({ 'GNU.sparse.numbytes': '5' }, 'g'), rawFile()),
  'pax-global-then-extended': beforeTail(paxHeader({ comment: 'c' }, 'g'), paxHeader({ path: 'other' }), rawFile()),
  'pax-global-alone': tar([paxHeader({ comment: 'c' }, 'g')]),
  'pax-global-with-junk-records-behind': beforeTail(
    paxHeader(Buffer.concat([paxRecords({ comment: 'c' }), Buffer.alloc(4)]), 'g'),
    rawFile(),
  ),
};
