import {
  file,
  gnuLong,
  hardlink,
  padded,
  paxHeader,
  rawHeader,
  symlink,
  tar,
  zeroBlocks,
} from '../../../support/builders/tar-builder.ts';
import { beforeTail, type Cases, LATIN1_NAME, rawFile, sweep, TAIL } from './cases.ts';

const MIB = 1024 * 1024;
const LONG = `${'long/'.repeat(40)}name`;

function long(type: 'L' | 'K', body: Uint8Array | string): Buffer {
  return Buffer.concat([rawHeader({ name: '././@LongLink', type, size: body.length, magic: 'gnu' }), padded(body)]);
}

const GNU_LONG: Cases = {
  ...sweep(
    'gnu-name',
    {
      usual: `${LONG}\0`,
      unterminated: LONG,
      'many-nuls': `${LONG}\0\0\0\0`,
      'nul-then-junk': `${LONG}\0junk`,
      'nul-first': `\0${LONG}`,
      'only-nul': '\0',
      nothing: '',
      'slash-at-end': `${LONG}/\0`,
      'not-utf8': Buffer.concat([Buffer.from(LONG), Buffer.from(LATIN1_NAME as Uint8Array), Buffer.alloc(1)]),
      '4096-bytes': `${'a/'.repeat(2047)}bc\0`,
    },
    (body) => beforeTail(long('L', body), rawFile()),
  ),
  'gnu-name-1-mib': beforeTail(long('L', Buffer.alloc(MIB)), rawFile()),
  'gnu-name-1-mib-and-one': beforeTail(long('L', Buffer.alloc(MIB + 1)), rawFile()),
  'gnu-name-slash-at-end-v7-type': beforeTail(long('L', `${LONG}/\0`), rawHeader({ type: '\0', magic: 'gnu' })),
  'gnu-link-of-symlink': beforeTail(gnuLong('K', LONG), symlink('odd', 'short')),
  'gnu-link-of-hardlink': beforeTail(gnuLong('K', LONG), hardlink('odd', 'short')),
  'gnu-link-of-file': beforeTail(gnuLong('K', LONG), rawFile()),
  'gnu-link-nul-then-junk': beforeTail(long('K', 'there\0junk'), symlink('odd', 'short')),
  'gnu-link-and-name': beforeTail(gnuLong('K', LONG), gnuLong('L', `${LONG}2`), symlink('odd', 'short')),
  'gnu-name-and-link': beforeTail(gnuLong('L', `${LONG}2`), gnuLong('K', LONG), symlink('odd', 'short')),
  'gnu-name-with-ustar-magic': beforeTail(rawHeader({ type: 'L', size: 6 }), padded('name1\0'), rawFile()),
};

const SEQUENCES: Cases = {
  'two-extended-headers': beforeTail(paxHeader({ path: 'first' }), paxHeader({ uid: '7' }), rawFile()),
  'two-gnu-names': beforeTail(gnuLong('L', 'first'), gnuLong('L', 'second'), rawFile()),
  'two-gnu-links': beforeTail(gnuLong('K', 'first'), gnuLong('K', 'second'), symlink('odd', 'short')),
  'pax-path-then-gnu-name': beforeTail(paxHeader({ path: 'pax' }), gnuLong('L', 'gnu'), rawFile()),
  'gnu-name-then-pax-path': beforeTail(gnuLong('L', 'gnu'), paxHeader({ path: 'pax' }), rawFile()),
  'gnu-link-then-pax-linkpath': beforeTail(
    gnuLong('K', 'gnu'),
    paxHeader({ linkpath: 'pax' }),
    symlink('odd', 'short'),
  ),
  'pax-mtime-then-gnu-name': beforeTail(paxHeader({ mtime: '1.5' }), gnuLong('L', 'gnu'), rawFile()),
  'gnu-name-then-pax-mtime': beforeTail(gnuLong('L', 'gnu'), paxHeader({ mtime: '1.5' }), rawFile()),
  'pax-size-does-not-apply-to-gnu-name': beforeTail(paxHeader({ size: '5' }), gnuLong('L', LONG), rawFile({ size: 0 })),
  'pax-size-then-gnu-name-hides-an-archive': beforeTail(
    paxHeader({ size: '1536' }),
    gnuLong('L', 'gnu'),
    rawHeader({ name: 'odd' }),
    tar([file('hidden', 'x')], { end: 'one-block' }),
  ),
  'extended-header-then-global': beforeTail(paxHeader({ path: 'first' }), paxHeader({ comment: 'c' }, 'g'), rawFile()),
  'gnu-name-then-global': beforeTail(gnuLong('L', 'first'), paxHeader({ comment: 'c' }, 'g'), rawFile()),
  'extended-header-at-the-end': tar([TAIL, paxHeader({ path: 'first' })]),
  'extended-header-at-eof': tar([TAIL, paxHeader({ path: 'first' })], { end: 'none' }),
  'gnu-name-at-the-end': tar([TAIL, gnuLong('L', 'first')]),
  'extended-header-applies-once': beforeTail(
    paxHeader({ uid: '7', path: 'first' }),
    rawFile(),
    rawFile({ name: 'second' }),
  ),
};

const TYPES: Cases = {};
for (let flag = 0x2f; flag <= 0x61; flag++) {
  if ('LK'.includes(String.fromCharCode(flag))) continue;
  TYPES[`type-0x${flag.toString(16)}`] = beforeTail(
    rawHeader({ name: 'odd', linkname: 'there', type: String.fromCharCode(flag) }),
  );
}
for (const flag of [0x00, 0x01, 0x20, 0x7f, 0x80, 0xff]) {
  TYPES[`type-0x${flag.toString(16).padStart(2, '0')}`] = beforeTail(rawFile({ type: Buffer.from([flag]) }));
}
for (const type of '1234567SDVX') {
  const header = rawHeader({ name: 'odd', linkname: 'there', type, size: 512 });
  TYPES[`type-${type}-size-512-without-data`] = beforeTail(header);
  TYPES[`type-${type}-size-512-with-data`] = beforeTail(header, Buffer.alloc(512, 'd'));
  TYPES[`type-${type}-size-negative`] = beforeTail(
    rawHeader({ name: 'odd', linkname: 'there', type, size: Buffer.alloc(12, 0xff) }),
  );
}

const WHOLE = tar([rawFile(), TAIL], { end: 'none' });
const GARBAGE = Buffer.alloc(512, 'g');

const ENDS: Cases = {
  'end-empty-archive': Buffer.alloc(0),
  'end-one-zero-block-alone': zeroBlocks(1),
  'end-two-zero-blocks-alone': zeroBlocks(2),
  'end-none': WHOLE,
  ...sweep(
    'end',
    {
      'one-zero-block': zeroBlocks(1),
      'two-zero-blocks': zeroBlocks(2),
      'twenty-zero-blocks': zeroBlocks(20),
      'one-zero-block-then-member': Buffer.concat([zeroBlocks(1), rawFile()]),
      'one-zero-block-then-garbage': Buffer.concat([zeroBlocks(1), GARBAGE]),
      'one-zero-block-then-part': Buffer.concat([zeroBlocks(1), Buffer.alloc(100)]),
      'two-zero-blocks-then-member': Buffer.concat([zeroBlocks(2), rawFile()]),
      'two-zero-blocks-then-garbage': Buffer.concat([zeroBlocks(2), GARBAGE, Buffer.from('more')]),
      'part-of-zero-block': Buffer.alloc(511),
      'one-byte': Buffer.alloc(1),
      garbage: GARBAGE,
      'part-of-header': rawFile().subarray(0, 300),
      'header-without-content': rawFile().subarray(0, 512),
      'header-with-part-of-content': rawFile().subarray(0, 514),
      'content-without-padding': rawFile().subarray(0, 517),
      'content-with-part-of-padding': rawFile().subarray(0, 800),
      'extended-header-without-body': paxHeader({ path: 'abc' }).subarray(0, 512),
      'extended-header-with-part-of-body': paxHeader({ path: 'abc' }).subarray(0, 520),
      'extended-header-without-padding': paxHeader({ path: 'abc' }).subarray(0, 524),
      'gnu-name-with-part-of-body': gnuLong('L', LONG).subarray(0, 600),
    },
    (end) => tar([WHOLE], { end }),
  ),
  'end-marker-first': Buffer.concat([zeroBlocks(2), WHOLE]),
  'end-zero-block-first': Buffer.concat([zeroBlocks(1), WHOLE]),
  'end-zero-block-between-members': tar([rawFile(), zeroBlocks(1), TAIL]),
  'content-that-looks-like-an-archive': beforeTail(file('odd', WHOLE)),
  'padding-not-zero': beforeTail(rawHeader({ name: 'odd', size: 5 }), Buffer.alloc(512, 'h')),
  'padding-of-extended-header-not-zero': beforeTail(
    rawHeader({ type: 'x', size: 12 }),
    Buffer.from('12 path=abc\n'.padEnd(512, 'j')),
    rawFile(),
  ),
  ...sweep('content', { '511': 511, '512': 512, '513': 513, '1024': 1024, '70000': 70000 }, (size) =>
    beforeTail(file('odd', Buffer.alloc(size, 'c'))),
  ),
};

export const FRAMING_CASES: Cases = { ...GNU_LONG, ...SEQUENCES, ...TYPES, ...ENDS };
