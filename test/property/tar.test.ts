import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import {
  dir,
  file,
  gnuLong,
  hardlink,
  paxHeader,
  sealHeader,
  symlink,
  type TarMember,
  tar,
} from '../support/builders/tar-builder.ts';
import { type ListedEntry, listTar } from '../support/oracles/tar-listing.ts';

const BLOCK = 512;
/** The time limit; a longer fuzz run sets its own. */
const { interruptAfterTimeLimit: fuzzMs = 5_000 } = fc.readConfigureGlobal();

/** Names as bytes: no NUL, no component beyond the limits, no slash at the end. */
const byteName = fc
  .array(
    fc.array(
      fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f),
      { minLength: 1, maxLength: 60 },
    ),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((components) => components.map((bytes) => Buffer.from(bytes).toString('latin1')).join('/'));

const attributes = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  gid: fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  mtime: fc.record({
    seconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  }),
});

const xattrs = fc.dictionary(
  fc.stringMatching(/^user\.[a-z.]{1,20}$/),
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  { maxKeys: 3 },
);

const member: fc.Arbitrary<TarMember> = fc
  .record({ name: byteName, target: byteName, content: fc.uint8Array({ maxLength: 1500 }), attributes, xattrs })
  .chain(({ name, target, content, attributes: common, xattrs: values }) =>
    fc.constantFrom(
      file(name, content, { ...common, xattrs: values }),
      dir(name, { ...common, xattrs: values }),
      symlink(name, target, common),
      hardlink(name, target, common),
      file(name, content, { ...common, mtime: { seconds: common.mtime.seconds }, format: 'gnu' }),
    ),
  );

const bytesOf = (value: Uint8Array | string): string =>
  typeof value === 'string' ? value : Buffer.from(value).toString('latin1');

function expected({ type, name, linkname = '', content = '', mode, uid, gid, mtime, xattrs: values = {} }: TarMember) {
  if (typeof content === 'object' && 'chunks' in content) throw new Error('expected plain content');
  return {
    type: { '0': 'file', '1': 'hardlink', '2': 'symlink', '5': 'directory' }[type],
    unsafeName: bytesOf(name),
    unsafeLinkname: bytesOf(linkname),
    content: bytesOf(content),
    mode,
    uid,
    gid,
    mtime: { nanoseconds: 0, ...mtime },
    size: content.length,
    xattrs: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, bytesOf(value)])),
  };
}

describe('readTar', () => {
  it('gives back what the builder wrote, in PAX and GNU form', () => {
    fc.assert(
      fc.property(fc.array(member, { maxLength: 8 }), fc.integer({ min: 1, max: 3000 }), (members, chunkBytes) => {
        expect(listTar(tar(members), chunkBytes)).toMatchObject(members.map(expected));
      }),
    );
  });

  it('gives the same entries however the archive is cut into chunks', () => {
    const archive = tar([
      dir('directory', { mode: 0o1777 }),
      file('small', 'hello', {
        xattrs: { 'user.a': Buffer.from([0, 255, 10]) },
        mtime: { seconds: -1, nanoseconds: 5 },
      }),
      file('n'.repeat(150), Buffer.alloc(1030, 'c')),
      gnuLong('K', 'k'.repeat(600)),
      gnuLong('L', 'l'.repeat(200)),
      symlink('short', 'short'),
      paxHeader({ comment: 'c'.repeat(700) }, 'g'),
      file('last', Buffer.alloc(512, 'd')),
    ]);
    const whole = listTar(archive);
    expect(whole).toHaveLength(5);
    for (let chunkBytes = 1; chunkBytes <= 1030; chunkBytes++) expect(listTar(archive, chunkBytes)).toEqual(whole);
  });

  it('reads what tar-stream writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(streamMember, { maxLength: 6 }), async (members) => {
        const listed = listTar(await packWithTarStream(members));
        expect(listed.map(summary)).toEqual(
          members.map(({ name, content, mode, uid, seconds }) => [
            Buffer.from(name).toString('latin1'),
            Buffer.from(content).toString('latin1'),
            mode,
            uid,
            seconds,
          ]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('answers damaged archives with nothing but its own refusals', () => {
    fc.assert(
      fc.property(damagedArchive, fc.integer({ min: 1, max: 4096 }), (archive, chunkBytes) => {
        const codes = ['TAR_INVALID', 'TAR_UNSUPPORTED', 'LAYER_LIMIT_EXCEEDED', 'listed'];
        expect(codes).toContain(verdict(archive, chunkBytes));
      }),
      { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: fuzzMs },
    );
  });
});

const streamMember = fc.record({
  name: fc.stringMatching(/^[a-zäöü]{1,40}(\/[a-zé]{1,70}){0,3}$/),
  content: fc.uint8Array({ maxLength: 1200 }),
  // tar-stream treats mode 0 as absent, and writes owners in six digits.
  mode: fc.integer({ min: 1, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0o777777 }),
  // tar-stream truncates seconds to 31 bits.
  seconds: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});

async function packWithTarStream(
  members: readonly {
    readonly name: string;
    readonly content: Uint8Array;
    readonly mode: number;
    readonly uid: number;
    readonly seconds: number;
  }[],
): Promise<Buffer> {
  const stream = pack();
  for (const { name, content, mode, uid, seconds } of members) {
    stream.entry({ name, mode, uid, gid: 0, mtime: new Date(seconds * 1000) }, Buffer.from(content));
  }
  stream.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

function summary({ unsafeName, content, mode, uid, mtime }: ListedEntry) {
  return [unsafeName, content, mode, uid, mtime.seconds];
}

const damage = fc.record({
  at: fc.nat({ max: 20_000 }),
  byte: fc.oneof(
    fc.constantFrom(0, 0x20, 0x2f, 0x30, 0x37, 0x3d, 0x4c, 0x53, 0x67, 0x78, 0x80, 0xc0, 0xff),
    fc.nat({ max: 255 }),
  ),
  seal: fc.boolean(),
});

/** Valid archives with a few bytes changed, most under a good checksum, some cut short. */
const damagedArchive = fc
  .record({
    members: fc.array(member, { minLength: 1, maxLength: 4 }),
    damages: fc.array(damage, { minLength: 1, maxLength: 6 }),
    cut: fc.option(fc.nat({ max: 20_000 })),
  })
  .map(({ members, damages, cut }) => {
    const archive = tar(members);
    for (const { at, byte, seal } of damages) {
      const offset = at % archive.length;
      archive[offset] = byte;
      const start = offset - (offset % BLOCK);
      if (seal) sealHeader(archive.subarray(start, start + BLOCK));
    }
    return cut === null ? archive : archive.subarray(0, cut);
  });

function verdict(archive: Uint8Array, chunkBytes: number): string {
  try {
    listTar(archive, chunkBytes);
    return 'listed';
  } catch (error) {
    if (error instanceof SealiftError) return error.code;
    throw error;
  }
}
