import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { lgetxattr, mount, umount } from '../../../src/platform/index.ts';
import type { VerityFacts } from '../../../src/unpack/erofs/types.ts';
import { createErofsWriter } from '../../../src/unpack/index.ts';
import { contentOf, toEntry } from '../../support/builders/entries.ts';
import {
  fsckImage,
  mountImage,
  readPart,
  writeImage,
  writeLayerImage,
  writeVerityImage,
  writeVerityLayerImage,
} from '../../support/builders/erofs-image.ts';
import { dir, file, hardlink, symlink, tarStream } from '../../support/builders/tar-builder.ts';
import { mustRun, runCommand } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { IS_SOAK } from '../../support/soak.ts';

const BLOCK = 4096;
const GIB = 2 ** 30;

/** Mounts one image alone while `inspect` runs. */
async function withMounted<Result>(
  scratch: Scratch,
  image: string,
  inspect: (root: string) => Result,
): Promise<Result> {
  const root = scratch.join('mounted');
  mkdirSync(root);
  await mountImage(image, root);
  try {
    return inspect(root);
  } finally {
    umount(root);
  }
}

const some = [
  dir('d', { xattrs: { 'user.a': 'b' } }),
  file('d/f', 'content'),
  file('d/big', Buffer.alloc(3 * 1024 * 1024 + 5, 'z')),
  symlink('l', 'd/f'),
  hardlink('h', 'd/f'),
];

describe('erofs writer', () => {
  it('writes the same bytes for the same entries, however their content is cut', () => {
    using scratch = new Scratch();
    writeImage(scratch.join('one'), some);
    const writer = createErofsWriter({ path: scratch.join('other'), limits: DEFAULT_LIMITS });
    for (const member of some) {
      const content = contentOf(member);
      writer.entry(toEntry(member));
      for (let at = 0; at < content.length; at += 2_000_003) writer.data(content.subarray(at, at + 2_000_003));
    }
    writer.end();
    const [one, other] = ['one', 'other'].map((name) => readFileSync(scratch.join(name)));
    expect(one?.equals(other ?? Buffer.alloc(0))).toBe(true);
  });

  it('is made of whole blocks, in a file that is the owner\u2019s alone', () => {
    using scratch = new Scratch();
    const { image } = writeImage(scratch.join('i'), some);
    const stat = statSync(scratch.join('i'));
    expect([stat.size, stat.mode & 0o777]).toEqual([image.imageBytes, 0o600]);
    expect(image.imageBytes % BLOCK).toBe(0);
  });

  it('has no superblock until the layer has ended', () => {
    using scratch = new Scratch();
    const writer = createErofsWriter({ path: scratch.join('i'), limits: DEFAULT_LIMITS });
    const content = Buffer.alloc(4 * 1024 * 1024, 'z');
    writer.entry(toEntry(file('big', content)));
    writer.data(content);
    expect(readPart(scratch.join('i'), 0, BLOCK)).toEqual(Buffer.alloc(BLOCK));
    writer.end();
    expect(readPart(scratch.join('i'), 1024, 4).toString('hex')).toBe('e2e1f5e0');
    writer.close();
  });

  it('closes the file at the end, or when it is told to', () => {
    using scratch = new Scratch();
    const openFiles = () => readdirSync('/proc/self/fd').length;
    const before = openFiles();
    writeImage(scratch.join('whole'), some);
    const writer = createErofsWriter({ path: scratch.join('half'), limits: DEFAULT_LIMITS });
    expect(openFiles()).toBe(before + 1);
    writer.entry(toEntry(file('f', 'some')));
    writer.close();
    writer.close();
    expect(openFiles()).toBe(before);
  });

  it('says nothing of the layer before it has ended', async () => {
    using scratch = new Scratch();
    const writer = createErofsWriter({ path: scratch.join('i'), limits: DEFAULT_LIMITS });
    await expectFailure('INTERNAL', () => writer.result());
    await expectFailure('INTERNAL', () => writer.facts());
    writer.close();
  });

  it('leaves alone what is there already', async () => {
    using scratch = new Scratch();
    writeFileSync(scratch.join('i'), 'mine');
    await expectFailure('UNPACK_TARGET_INVALID', () => writeImage(scratch.join('i'), []));
    expect(readFileSync(scratch.join('i'), 'utf8')).toBe('mine');
  });

  it('refuses more entries than the limit, implied directories counted', async () => {
    using scratch = new Scratch();
    const limits = { ...DEFAULT_LIMITS, maxEntries: 4 };
    expect(writeImage(scratch.join('four'), [file('a/b/c'), file('d')], { limits }).facts.entries).toBe(2);
    await expectFailure('LAYER_LIMIT_EXCEEDED', () =>
      writeImage(scratch.join('five'), [file('a/b/c'), file('d/e')], { limits }),
    );
  });

  it('refuses an attribute that the format has no room for', async () => {
    using scratch = new Scratch();
    const large = [file('f', '', { xattrs: { 'user.a': Buffer.alloc(65_536) } })];
    const error = await expectFailure('UNPACK_FILESYSTEM_UNSUPPORTED', () => writeImage(scratch.join('i'), large));
    expect(error.message).toContain('entry f: attribute user.a');
  });
});

describeWith(['root', 'fsck.erofs'], 'erofs image', () => {
  it('holds a directory of 100 000 entries', async () => {
    using scratch = new Scratch();
    const count = 100_000;
    const name = (at: number) => `${at.toString(36)}-${'n'.repeat(at % 40)}`;
    const members = function* () {
      for (let at = 0; at < count; at += 1) yield file(`d/${name(at)}`);
    };
    const { facts } = writeImage(scratch.join('i'), [...members()]);
    expect(facts.entries).toBe(count);
    expect(await fsckImage(scratch.join('i'))).toBe('');
    await withMounted(scratch, scratch.join('i'), (root) => {
      const listed = readdirSync(`${root}/d`);
      expect(listed).toHaveLength(count);
      expect(new Set(listed)).toEqual(new Set(Array.from({ length: count }, (_, at) => name(at))));
      for (let at = 0; at < count; at += 997) expect(lstatSync(`${root}/d/${name(at)}`).isFile()).toBe(true);
      expect(existsSync(`${root}/d/absent`)).toBe(false);
    });
  });

  it('holds links of every length', async () => {
    using scratch = new Scratch();
    const lengths = Array.from({ length: 4095 }, (_, at) => at + 1);
    const target = (length: number) => `${length}`.padEnd(length, 'x').slice(0, length);
    writeImage(
      scratch.join('i'),
      lengths.map((length) => symlink(`l${length}`, target(length))),
    );
    expect(await fsckImage(scratch.join('i'))).toBe('');
    await withMounted(scratch, scratch.join('i'), (root) => {
      const wrong = lengths.filter((length) => readlinkSync(`${root}/l${length}`) !== target(length));
      expect(wrong).toEqual([]);
    });
  });

  it('holds attributes of every size, on files, directories and links', async () => {
    using scratch = new Scratch();
    const sizes = [
      ...Array.from({ length: 64 }, (_, at) => at),
      4000,
      4031,
      4032,
      4033,
      4095,
      4096,
      4097,
      20_000,
      65_535,
    ];
    const value = (size: number) => Buffer.alloc(size, `${size}.`);
    const name = (size: number) => `trusted.${'n'.repeat(1 + (size % 240))}`;
    writeImage(
      scratch.join('i'),
      sizes.flatMap((size) => {
        const xattrs = { [name(size)]: value(size), 'trusted.last': `${size}` };
        return [
          file(`f${size}`, 'x', { xattrs }),
          dir(`d${size}`, { xattrs }),
          symlink(`l${size}`, 'x'.repeat(1 + (size % 300)), { xattrs }),
        ];
      }),
    );
    expect(await fsckImage(scratch.join('i'))).toBe('');
    await withMounted(scratch, scratch.join('i'), (root) => {
      for (const size of sizes) {
        for (const type of ['f', 'd', 'l']) {
          const at = `${root}/${type}${size}`;
          expect(lgetxattr(at, name(size))?.equals(value(size)), `${type}${size}`).toBe(true);
          expect(lgetxattr(at, 'trusted.last')?.toString()).toBe(`${size}`);
        }
      }
    });
  });

  it('holds directories of every fill, their last names inline or in a block', async () => {
    using scratch = new Scratch();
    const counts = Array.from({ length: 140 }, (_, at) => at);
    const names = (count: number) => Array.from({ length: count }, (_, at) => `${at}`.padEnd(50 + (at % 7), 'n'));
    writeImage(
      scratch.join('i'),
      counts.flatMap((count) => [dir(`d${count}`), ...names(count).map((name) => file(`d${count}/${name}`))]),
    );
    expect(await fsckImage(scratch.join('i'))).toBe('');
    await withMounted(scratch, scratch.join('i'), (root) => {
      for (const count of counts) expect(readdirSync(`${root}/d${count}`).sort()).toEqual(names(count).sort());
    });
  });

  it('shows times before 1970 as they are', async () => {
    using scratch = new Scratch();
    writeImage(scratch.join('i'), [file('f', '', { mtime: { seconds: -(2 ** 40), nanoseconds: 5 } })]);
    await withMounted(scratch, scratch.join('i'), (root) => {
      expect(lstatSync(`${root}/f`, { bigint: true }).mtimeNs).toBe(-(2n ** 40n) * 1_000_000_000n + 5n);
    });
  });

  it('answers UNPACK_WRITE_FAILED when there is no room, and holds nothing open then', async () => {
    using scratch = new Scratch();
    const small = scratch.join('small');
    mkdirSync(small);
    mount({ source: 'tmpfs', target: small, type: 'tmpfs', data: 'size=2m' });
    try {
      const large = [file('f', Buffer.alloc(3 * 1024 * 1024))];
      const error = await expectFailure('UNPACK_WRITE_FAILED', () => writeImage(`${small}/i`, large));
      expect(error.context).toMatchObject({ errno: 'ENOSPC' });
    } finally {
      umount(small);
    }
  });

  it.skipIf(!IS_SOAK)('holds a file over 4 GiB (skipped unless SEALIFT_SOAK is set: writes 5 GiB)', async () => {
    using scratch = new Scratch();
    const size = 5 * GIB + 1;
    const mib = Buffer.alloc(2 ** 20);
    const chunks = function* () {
      for (let at = 0; at < 5 * 1024; at += 1) {
        mib.writeUInt32LE(at);
        yield mib;
      }
      yield Buffer.from('!');
    };
    const archive = tarStream([file('big', { size, chunks: chunks() }), file('after', 'x')]);
    const { facts } = writeLayerImage(scratch.join('i'), archive);
    expect(facts.contentBytes).toBe(size + 1);
    expect(await fsckImage(scratch.join('i'))).toBe('');
    await withMounted(scratch, scratch.join('i'), (root) => {
      expect(lstatSync(`${root}/big`).size).toBe(size);
      expect(readPart(`${root}/big`, 4.5 * GIB, 4).readUInt32LE()).toBe(4608);
      expect(readPart(`${root}/big`, 5 * GIB, 1).toString()).toBe('!');
      expect(readFileSync(`${root}/after`, 'utf8')).toBe('x');
    });
  });
});

describe('erofs writer: memory', () => {
  it('keeps less than 500 bytes for an entry and nothing of its content', () => {
    using scratch = new Scratch();
    const count = 60_000;
    const writer = createErofsWriter({ path: scratch.join('i'), limits: DEFAULT_LIMITS });
    const content = Buffer.alloc(64, 'c');
    const before = heapUsed();
    for (let at = 0; at < count; at += 1) {
      const name = `usr/share/some/directory/${Math.floor(at / 100)}/a-name-of-usual-length-${at}`;
      writer.entry(toEntry(file(name, content)));
      writer.data(content);
    }
    const perEntry = (heapUsed() - before) / count;
    writer.end();
    expect(perEntry).toBeGreaterThan(100);
    expect(perEntry).toBeLessThan(500);
  });
});

/** Returns the memory of reachable objects; works without flags of the process. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed: used, external } = process.memoryUsage();
  return used + external;
}

function verify(path: string, { hashOffset, rootHash: known }: VerityFacts, rootHash = known) {
  const parameters = [
    '--no-superblock',
    '--salt=-',
    '--hash=sha256',
    '--data-block-size=4096',
    '--hash-block-size=4096',
  ];
  const layout = [`--hash-offset=${hashOffset}`, `--data-blocks=${hashOffset / BLOCK}`];
  return runCommand('veritysetup', ['verify', path, path, rootHash, ...parameters, ...layout]);
}

describeWith(['root'], 'erofs image', () => {
  it('has the lowest time of 64 bits, which writers use for a time that is not set', async () => {
    using scratch = new Scratch();
    const odd = file('f', 'x', { mtime: { seconds: -(2 ** 63) }, format: 'gnu' });
    const pax = file('p', 'x', { mtime: { seconds: -(2 ** 63) }, format: 'pax' });
    writeLayerImage(scratch.join('i'), tarStream([odd, pax]));
    const times = await withMounted(scratch, scratch.join('i'), (root) =>
      ['f', 'p'].map((name) => lstatSync(`${root}/${name}`, { bigint: true }).mtimeNs / 1_000_000_000n),
    );
    expect(times).toEqual([-(2n ** 63n), -(2n ** 63n)]);
  });
});

describeWith(['root', 'veritysetup'], 'erofs image with a dm-verity tree', () => {
  /** Numbers of blocks around those at which the tree gets one more level, with data and metadata counted. */
  const CONTENT_BLOCKS = [0, 1, 124, 125, 126, 127, 128, 129, 300, 16_380, 16_400];

  it.each(CONTENT_BLOCKS)('veritysetup accepts it: %i blocks of content', async (blocks) => {
    using scratch = new Scratch();
    const { verity } = writeVerityImage(scratch.join('i'), []);
    const content = file('f', Buffer.alloc(blocks * BLOCK, 'some content'));
    const written = writeVerityLayerImage(scratch.join('f'), tarStream([content]));
    expect((await verify(scratch.join('i'), verity)).code).toBe(0);
    expect((await verify(scratch.join('f'), written.verity)).code).toBe(0);
    expect(statSync(scratch.join('f')).size).toBe(written.verity.fileBytes);
    expect(written.verity.hashOffset).toBe(written.image.imageBytes);
  });

  it.each([
    { what: 'the superblock', at: () => 1024 },
    { what: 'content', at: () => BLOCK },
    { what: 'metadata', at: ({ hashOffset }: VerityFacts) => hashOffset - BLOCK + 64 },
    { what: 'the tree', at: ({ hashOffset }: VerityFacts) => hashOffset },
  ])('veritysetup refuses it with one bit of $what changed', async ({ at }) => {
    using scratch = new Scratch();
    const { verity } = writeVerityImage(scratch.join('i'), some);
    expect((await verify(scratch.join('i'), verity)).code).toBe(0);
    flipBit(scratch.join('i'), at(verity));
    expect((await verify(scratch.join('i'), verity)).code).not.toBe(0);
  });

  it('veritysetup refuses it under another root', async () => {
    using scratch = new Scratch();
    const { verity } = writeVerityImage(scratch.join('i'), some);
    expect((await verify(scratch.join('i'), verity, '0'.repeat(64))).code).not.toBe(0);
  });

  it('is the tree that veritysetup makes', async () => {
    using scratch = new Scratch();
    const { image, verity } = writeVerityImage(scratch.join('i'), some);
    const data = scratch.join('data');
    writeFileSync(data, readPart(scratch.join('i'), 0, image.imageBytes));
    const options = ['--no-superblock', '--salt=-', '--hash=sha256'];
    const output = await mustRun('veritysetup', ['format', data, scratch.join('tree'), ...options]);
    expect(/Root hash:\s*(\w+)/.exec(output.toString())?.[1]).toBe(verity.rootHash);
    const tree = readPart(scratch.join('i'), image.imageBytes, verity.fileBytes - image.imageBytes);
    expect(readFileSync(scratch.join('tree')).equals(tree)).toBe(true);
  });

  it('is the image without the tree, and something behind it', async () => {
    using scratch = new Scratch();
    const { image } = writeVerityImage(scratch.join('with'), some);
    writeImage(scratch.join('without'), some);
    const front = readPart(scratch.join('with'), 0, image.imageBytes);
    expect(front.equals(readFileSync(scratch.join('without')))).toBe(true);
    expect(await withMounted(scratch, scratch.join('with'), (root) => readFileSync(`${root}/h`, 'utf8'))).toBe(
      'content',
    );
  });
});

function flipBit(path: string, position: number): void {
  const fd = openSync(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, position);
    byte.writeUInt8(byte.readUInt8(0) ^ 1);
    writeSync(fd, byte, 0, 1, position);
  } finally {
    closeSync(fd);
  }
}
