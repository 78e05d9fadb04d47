import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, LIMITS, type RefusingLimit } from '../../../../src/limits/index.ts';
import {
  base256,
  file,
  gnuLong,
  hardlink,
  paxHeader,
  rawHeader,
  symlink,
  tar,
} from '../../../support/builders/tar-builder.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { listTar } from '../../../support/oracles/tar-listing.ts';

interface Row {
  readonly limit: RefusingLimit;
  readonly subject: string;
  readonly value: number;
  /** Makes an archive that reaches the limit with `value` and exceeds it with one more. */
  readonly make: (value: number) => Buffer;
}

const ROWS: readonly Row[] = [
  {
    limit: 'maxEntries',
    subject: 'entries',
    value: 3,
    make: (count) => tar(Array.from({ length: count }, (_, index) => file(`f${index}`))),
  },
  { limit: 'maxPathBytes', subject: 'a name', value: 20, make: (length) => tar([file('n'.repeat(length))]) },
  {
    limit: 'maxPathBytes',
    subject: 'a pax path',
    value: 20,
    make: (length) => tar([paxHeader({ path: 'n'.repeat(length) }), file('a')]),
  },
  {
    limit: 'maxPathBytes',
    subject: 'a GNU long name',
    value: 20,
    make: (length) => tar([gnuLong('L', 'n'.repeat(length)), file('a')]),
  },
  {
    limit: 'maxPathBytes',
    subject: 'the target of a symlink',
    value: 20,
    make: (length) => tar([symlink('s', 't'.repeat(length))]),
  },
  {
    limit: 'maxPathBytes',
    subject: 'the target of a hard link',
    value: 20,
    make: (length) => tar([hardlink('h', 't'.repeat(length))]),
  },
  {
    limit: 'maxNameBytes',
    subject: 'a component',
    value: 9,
    make: (length) => tar([file(`a/${'n'.repeat(length)}/c`)]),
  },
  {
    limit: 'maxNameBytes',
    subject: 'a last component',
    value: 9,
    make: (length) => tar([file(`a/${'n'.repeat(length)}`)]),
  },
  {
    limit: 'maxNameBytes',
    subject: 'a component of a hard link target',
    value: 9,
    make: (length) => tar([hardlink('h', 'n'.repeat(length))]),
  },
  {
    limit: 'maxNameBytes',
    subject: 'the name of an xattr',
    value: 9,
    make: (length) => tar([file('a', '', { xattrs: { ['x'.repeat(length)]: 'v' } })]),
  },
  {
    limit: 'maxPathDepth',
    subject: 'the depth of a name',
    value: 5,
    make: (depth) => tar([file(`/./${'d//'.repeat(depth - 2)}f`)]),
  },
  {
    limit: 'maxPaxBytes',
    subject: 'an extended header',
    value: 40,
    make: (size) => tar([paxHeader(Buffer.from(`${size} comment=${'c'.repeat(size - 12)}\n`)), file('a')]),
  },
  {
    limit: 'maxPaxBytes',
    subject: 'a GNU long name',
    value: 40,
    make: (size) => tar([gnuLong('L', 'n'.repeat(size - 1)), file('a')]),
  },
  {
    limit: 'maxXattrBytes',
    subject: 'the value of an xattr',
    value: 9,
    make: (length) => tar([file('a', '', { xattrs: { 'user.a': Buffer.alloc(length, 'v') } })]),
  },
  {
    limit: 'maxLayerBytes',
    subject: 'the size of a file',
    value: 700,
    make: (size) => tar([file('a', Buffer.alloc(size))]),
  },
];

describe('the limits on headers', () => {
  it.each(ROWS)('$limit holds for $subject', async ({ limit, value, make }) => {
    const limits = { ...DEFAULT_LIMITS, [limit]: value };
    expect(listTar(make(value), undefined, limits).length).toBeGreaterThan(0);
    const error = await expectFailure(LIMITS[limit].code, () => listTar(make(value + 1), undefined, limits));
    expect(error.context).toMatchObject({ limit, expected: value, actual: value + 1 });
  });

  it('leave the components of a symlink target alone, since it is text', () => {
    const limits = { ...DEFAULT_LIMITS, maxNameBytes: 5, maxPathDepth: 2 };
    expect(listTar(tar([symlink('s', '../../somewhere/else')]), undefined, limits)).toHaveLength(1);
  });

  it('stop a size of petabytes at the header', async () => {
    const header = rawHeader({ name: 'a', size: base256(2n ** 50n, 12) });
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => listTar(tar([header])));
  });

  it('stop an extended header before its body is held in memory', async () => {
    await expectFailure('TAR_INVALID', () => listTar(rawHeader({ type: 'x', size: 2 ** 30 })));
  });
});
