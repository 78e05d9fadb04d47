import type { ErrorCode } from '../../../src/errors/index.ts';

/** Archives that Go's archive/tar lists and Sealift refuses, and why. */
export interface Stricter {
  readonly reason: string;
  readonly code: ErrorCode;
  readonly cases: readonly string[];
}

const UNKNOWN_TYPES = [...'/89:;<=>?@ABCDEFGHIJMNOPQRTUVWXYZ[\\]^_`a'].map(
  (type) => `type-0x${type.charCodeAt(0).toString(16)}`,
);

function fields(names: readonly string[], edges: readonly string[]): string[] {
  return names.flatMap((name) => edges.map((edge) => `${name}-${edge}`));
}

export const STRICTER_THAN_GO: readonly Stricter[] = [
  {
    reason: 'containerd and umoci fail the layer on types they do not know; Go only reads the header',
    code: 'TAR_UNSUPPORTED',
    cases: [
      ...UNKNOWN_TYPES,
      ...['0x01', '0x20', '0x7f', '0x80', '0xff'].map((flag) => `type-${flag}`),
      ...['D', 'V', 'X'].map((type) => `type-${type}-size-512-with-data`),
      'byte-156-is-0xff',
    ],
  },
  {
    reason: 'readers that know another format of sparse files would read another file; Go reads an ordinary one',
    code: 'TAR_UNSUPPORTED',
    cases: ['unknown-version', 'only-name'].map((name) => `pax-sparse-${name}`),
  },
  {
    reason: 'no owner has these numbers: 2³²−1 means "leave as it is" to chown(2), and Go truncates on 32 bits',
    code: 'TAR_INVALID',
    cases: [
      ...fields(
        ['uid', 'gid'],
        [
          'base256-minus-one',
          'base256-all-ones',
          'base256-minus-five',
          'base256-2-to-40',
          'base256-2-to-32-less-1',
          'base256-2-to-53-less-1',
        ],
      ),
      ...fields(['pax-uid', 'pax-gid'], ['minus', '2-to-32-less-1', '2-to-32', '2-to-53-less-1']),
    ],
  },
  {
    reason: 'a number beyond 2⁵³ is not exact here, and nothing that a layer can mean needs one',
    code: 'TAR_INVALID',
    cases: [
      ...fields(
        ['mode', 'uid', 'gid', 'devmajor', 'devminor'],
        ['base256-2-to-53', 'base256-highest', 'base256-lowest'],
      ),
      ...fields(['mtime'], ['base256-2-to-53', 'base256-2-to-63-less-1']),
      ...fields(['pax-uid', 'pax-gid', 'pax-mtime'], ['2-to-53', '2-to-63-less-1']),
      'byte-108-is-0xff',
    ],
  },
  {
    reason: 'no mode has bits above the file type or is negative',
    code: 'TAR_INVALID',
    cases: fields(
      ['mode'],
      [
        'base256-minus-one',
        'base256-all-ones',
        'base256-minus-five',
        'base256-2-to-31',
        'base256-2-to-32-less-2',
        'base256-2-to-32-less-1',
        'base256-2-to-40',
        'base256-2-to-53-less-1',
      ],
    ),
  },
  {
    reason: 'mknod(2) cannot make a device of these numbers; a truncated one would be another device',
    code: 'TAR_INVALID',
    cases: ['device-major-too-wide', 'device-minor-too-wide', 'device-major-negative'],
  },
  {
    reason: 'Go ignores a negative size where no content follows; other readers step backwards',
    code: 'TAR_INVALID',
    cases: [...[...'123456'].map((type) => `type-${type}-size-negative`), 'pax-size-of-directory-negative'],
  },
  {
    reason: 'readers disagree which of two headers for one member counts: the last, the first, or both joined',
    code: 'TAR_INVALID',
    cases: [
      'two-extended-headers',
      'two-gnu-names',
      'two-gnu-links',
      'pax-path-then-gnu-name',
      'gnu-name-then-pax-path',
      'gnu-link-then-pax-linkpath',
    ],
  },
  {
    reason: 'after a global header Go forgets the extended header before it, others apply it to the next member',
    code: 'TAR_INVALID',
    cases: ['extended-header-then-global', 'gnu-name-then-global'],
  },
  {
    reason: 'headers that describe a member which never comes: the archive was cut',
    code: 'TAR_INVALID',
    cases: [
      'extended-header-at-the-end',
      'extended-header-at-eof',
      'gnu-name-at-the-end',
      'end-extended-header-without-padding',
    ],
  },
  {
    reason: 'POSIX has unsigned record lengths; only readers that parse integers liberally take a sign',
    code: 'TAR_INVALID',
    cases: ['pax-record-length-signed'],
  },
  {
    reason: 'Linux has no file of this name and no xattr of this name or size (PATH_MAX, NAME_MAX, XATTR_SIZE_MAX)',
    code: 'TAR_INVALID',
    cases: [
      'pax-path-4096-bytes',
      'gnu-name-4096-bytes',
      'pax-path-component-256-bytes',
      'pax-path-1025-deep',
      'pax-xattr-without-name',
      'pax-xattr-name-256-bytes',
      'pax-xattr-value-64-kib-and-one',
    ],
  },
];
