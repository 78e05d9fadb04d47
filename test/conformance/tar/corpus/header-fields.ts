import {
  type Bytes,
  base256,
  file,
  rawHeader,
  sealHeader,
  symlink,
  tar,
} from '../../../support/builders/tar-builder.ts';
import { beforeTail, type Cases, LATIN1_NAME, rawFile, sweep, TAIL } from './cases.ts';

type NumericField = 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'devmajor' | 'devminor';
const WIDTHS: Record<NumericField, 8 | 12> = {
  mode: 8,
  uid: 8,
  gid: 8,
  size: 12,
  mtime: 12,
  devmajor: 8,
  devminor: 8,
};

/** Spellings of 5 and of things that are no number, all of which fit eight bytes. */
const SPELLINGS: Record<string, Bytes> = {
  'no-leading-zero': '5',
  'leading-spaces': '     5',
  'space-terminated': '0000005 ',
  unterminated: '00000005',
  'leading-nuls': '\0\x005',
  'spaces-and-nuls': ' \0 5\0 \0',
  'inner-nul-then-digit': '5\x007',
  'inner-nul-then-letter': '5\0x',
  'inner-space': '5 7',
  'all-spaces': '        ',
  empty: '',
  letter: 'a',
  'trailing-letter': '5x',
  'digit-eight': '8',
  minus: '-5',
  plus: '+5',
  underscore: '0_5',
  hexadecimal: '0x5',
  tab: '\t5',
  newline: '5\n',
  'high-byte-inside': '5\xa0',
};

function numericField(field: NumericField): Cases {
  const width = WIDTHS[field];
  const edges: Record<string, Bytes> = {
    'base256-five': base256(5n, width),
    'base256-zero': base256(0n, width),
    'base256-minus-one': base256(-1n, width),
    'base256-minus-five': base256(-5n, width),
    'base256-2-to-31': base256(2n ** 31n, width),
    'base256-2-to-32-less-2': base256(2n ** 32n - 2n, width),
    'base256-2-to-32-less-1': base256(2n ** 32n - 1n, width),
    'base256-2-to-40': base256(2n ** 40n, width),
    'base256-2-to-53-less-1': base256(2n ** 53n - 1n, width),
    'base256-2-to-53': base256(2n ** 53n, width),
    'base256-lowest': Buffer.concat([Buffer.from([0xc0]), Buffer.alloc(width - 1)]),
    'base256-highest': Buffer.concat([Buffer.from([0xbf]), Buffer.alloc(width - 1, 0xff)]),
    'base256-all-ones': Buffer.alloc(width, 0xff),
    'octal-widest': '7'.repeat(width),
  };
  if (width === 12) {
    edges['base256-2-to-63-less-1'] = base256(2n ** 63n - 1n, 12);
    edges['base256-2-to-63'] = base256(2n ** 63n, 12);
    edges['base256-minus-2-to-63'] = base256(-(2n ** 63n), 12);
    edges['base256-minus-2-to-63-less-1'] = base256(-(2n ** 63n) - 1n, 12);
  }
  return sweep(field, { ...SPELLINGS, ...edges }, (value) => beforeTail(rawFile({ [field]: value })));
}

/** Device numbers mean something for devices only, owners and sizes for all. */
const DEVICES: Cases = sweep(
  'device',
  {
    'widest-linux': { type: '3', devmajor: 0o7777, devminor: 0o3777777 },
    'major-too-wide': { type: '3', devmajor: 0o10000, devminor: 0 },
    'minor-too-wide': { type: '4', devmajor: 0, devminor: 0o4000000 },
    'major-negative': { type: '4', devmajor: base256(-1n, 8), devminor: 0 },
    'v7-has-none': { type: '3', magic: 'v7' as const },
    'gnu-base256': { type: '3', magic: 'gnu' as const, devmajor: base256(5n, 8), devminor: base256(260n, 8) },
  },
  (fields) => beforeTail(rawHeader({ name: 'device', ...fields })),
);

const CHECKSUMS: Cases = {
  ...sweep('checksum', SPELLINGS, (checksum) => beforeTail(rawFile({ checksum }))),
  'checksum-signed': beforeTail(rawFile({ name: LATIN1_NAME, checksum: 'signed' })),
  'checksum-unsigned-with-high-bytes': beforeTail(rawFile({ name: LATIN1_NAME })),
  ...sweep(
    'checksum-spelled',
    {
      'six-digits': '%6\0 ',
      'seven-digits': '%7\0',
      'eight-digits': '%8',
      'led-by-spaces': '  %6',
      bare: '%0',
      'then-junk': '%6\0x',
    },
    (pattern) => beforeTail(withSpelledChecksum(pattern)),
  ),
  ...sweep('checksum-off-by', { 'minus-1': -1, one: 1, '256': 256 }, (by) =>
    beforeTail(withSpelledChecksum('%6\0 ', by)),
  ),
};

function withSpelledChecksum(pattern: string, offBy = 0): Buffer {
  const member = rawFile();
  const sum = Number.parseInt(member.toString('latin1', 148, 154), 8) + offBy;
  sealHeader(
    member.subarray(0, 512),
    pattern.replace(/%([0-9])/, (_, digits: string) => sum.toString(8).padStart(Number(digits), '0')),
  );
  return member;
}

const STAR_TRAILER = `${'\0'.repeat(163)}tar\0`;
const TIME = '14000000000\0';

const FORMS: Cases = {
  ...sweep(
    'magic',
    {
      'ustar-version-spaces': 'ustar\0  ',
      'ustar-version-nuls': 'ustar\0\0\0',
      'ustar-without-nul': 'ustar000',
      'gnu-version-00': 'ustar 00',
      'upper-case': 'USTAR\x0000',
      none: '',
      junk: 'whatever',
    },
    (magic) =>
      beforeTail(rawFile({ magic: Buffer.from(magic.padEnd(8, '\0'), 'latin1'), prefix: 'pre', devmajor: 'x' })),
  ),
  'prefix-ustar': beforeTail(rawFile({ prefix: 'some/prefix' })),
  'prefix-ustar-full': beforeTail(rawFile({ name: 'n'.repeat(100), prefix: `${'p'.repeat(77)}/${'q'.repeat(77)}` })),
  'prefix-ustar-slash-at-end': beforeTail(rawFile({ prefix: 'some/' })),
  'prefix-with-empty-name': beforeTail(rawFile({ name: '', prefix: 'some' })),
  'prefix-with-empty-name-v7-type': beforeTail(rawHeader({ name: '', prefix: 'some', type: '\0' })),
  'prefix-v7-is-none': beforeTail(rawFile({ magic: 'v7' })),
  'prefix-not-ascii': beforeTail(rawFile({ prefix: LATIN1_NAME })),
  'star-prefix': beforeTail(rawFile({ prefix: `some/prefix${STAR_TRAILER.slice(11)}` })),
  'star-times': beforeTail(rawFile({ prefix: `${'\0'.repeat(131)}${TIME}${TIME}${'\0'.repeat(8)}tar\0` })),
  'star-time-malformed': beforeTail(
    rawFile({ prefix: `${'\0'.repeat(131)}x4000000000\0${TIME}${'\0'.repeat(8)}tar\0` }),
  ),
  'gnu-times': beforeTail(rawFile({ magic: 'gnu', prefix: `${TIME}${TIME}` })),
  'gnu-prefix-instead-of-times': beforeTail(rawFile({ magic: 'gnu', prefix: 'some/prefix' })),
  'gnu-prefix-not-ascii': beforeTail(rawFile({ magic: 'gnu', prefix: LATIN1_NAME })),
  'gnu-prefix-of-digits': beforeTail(rawFile({ magic: 'gnu', prefix: '755' })),
  'gnu-prefix-behind-valid-atime': beforeTail(rawFile({ magic: 'gnu', prefix: `${TIME}rubbish` })),
  'gnu-atime-2-to-60': beforeTail(rawFile({ magic: 'gnu', prefix: base256(2n ** 60n, 12) })),
  'gnu-atime-2-to-63': beforeTail(rawFile({ magic: 'gnu', prefix: base256(2n ** 63n, 12) })),
  'gnu-atime-2-to-63-less-1': beforeTail(rawFile({ magic: 'gnu', prefix: base256(2n ** 63n - 1n, 12) })),
};

const NAMES: Cases = {
  ...sweep(
    'name',
    {
      empty: '',
      '100-bytes': 'n'.repeat(100),
      'then-nul-and-junk': 'odd\0junk',
      'not-utf8': LATIN1_NAME,
      absolute: '/etc/passwd',
      'dot-dot': '../odd',
      'inner-dot-dot': 'a/../odd',
      dot: '.',
      'double-slash': 'a//odd',
      newline: 'a\nodd',
      backslash: 'a\\odd',
      'slash-at-end': 'odd/',
    },
    (name) => beforeTail(rawFile({ name })),
  ),
  'name-slash-at-end-v7-type': beforeTail(rawHeader({ name: 'odd/', type: '\0' })),
  'name-slash-at-end-v7-type-with-size': beforeTail(rawHeader({ name: 'odd/', type: '\0', size: 5 })),
  'name-slash-at-end-type-7': beforeTail(rawFile({ name: 'odd/', type: '7' })),
  'name-slash-at-end-of-symlink': beforeTail(symlink('odd/', 'there')),
  'directory-without-slash': beforeTail(rawHeader({ name: 'odd', type: '5' })),
  'linkname-100-bytes': beforeTail(rawHeader({ name: 'odd', type: '2', linkname: 'l'.repeat(100) })),
  'linkname-empty': beforeTail(rawHeader({ name: 'odd', type: '2' })),
  'linkname-of-a-file': beforeTail(rawFile({ linkname: 'there' })),
  'mode-with-file-type-bits': beforeTail(rawFile({ mode: '0100644\0' })),
  'mode-setuid-setgid-sticky': beforeTail(file('odd', '', { mode: 0o7755 })),
};

const RESEALED: Cases = {};
for (let offset = 0; offset < 512; offset += 12) {
  if (offset >= 148 && offset < 156) continue;
  for (const byte of [0x00, 0x37, 0xff]) {
    const archive = tar([file('some/file', 'hello', { mode: 0o751, uid: 1, gid: 2 }), TAIL]);
    archive[offset] = byte;
    sealHeader(archive.subarray(0, 512));
    RESEALED[`byte-${offset}-is-0x${byte.toString(16).padStart(2, '0')}`] = archive;
  }
}

export const HEADER_FIELD_CASES: Cases = {
  ...Object.assign({}, ...(Object.keys(WIDTHS) as NumericField[]).map(numericField)),
  ...DEVICES,
  ...CHECKSUMS,
  ...FORMS,
  ...NAMES,
  ...RESEALED,
};
