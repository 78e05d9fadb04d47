import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { umount } from '../../../src/platform/index.ts';
import { createDirectoryWriter, readTar } from '../../../src/unpack/index.ts';
import { feed } from '../../support/builders/entries.ts';
import { fsckImage, mountImage, writeImage, writeLayerImage } from '../../support/builders/erofs-image.ts';
import { lowerView } from '../../support/builders/lower-view.ts';
import { dir, file, hardlink, type PaxRecords, tar } from '../../support/builders/tar-builder.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { listTar } from '../../support/oracles/tar-listing.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const GIB = 2 ** 30;
const VERSIONS = ['0.0', '0.1', '1.0'] as const;

/** Runs of every kind: within a block, across blocks, next to each other, behind a whole chunk of holes, at the end. */
const FILES: Readonly<Record<string, readonly [size: number, ...runs: (readonly [offset: number, length: number])[]]>> =
  {
    hole: [1_000_000],
    tail: [1_000_001, [999_000, 1001]],
    head: [70_000, [0, 5000]],
    dense: [20_000, [0, 20_000]],
    many: [3_000_000, [0, 100], [8192, 4096], [12_288, 1], [100_000, 200_000], [2_999_999, 1]],
    huge: [3 * GIB, [0, 1], [2 * GIB, 10_000]],
  };

describe.each(VERSIONS)('sparse files of GNU tar in format %s', (version) => {
  let scratch: Scratch;
  let archive: Buffer;

  beforeAll(() => {
    scratch = new Scratch('sparse');
    mkdirSync(scratch.join('tree'));
    for (const [name, [size, ...runs]] of Object.entries(FILES)) {
      const path = scratch.join('tree', name);
      const fd = openSync(path, 'w');
      for (const [offset, length] of runs) writeSync(fd, Buffer.alloc(length, name), 0, length, offset);
      closeSync(fd);
      truncateSync(path, size);
    }
    const form = ['--format=pax', '--sparse', `--sparse-version=${version}`];
    archive = execFileSync('tar', [...form, '-C', scratch.join('tree'), '-cf', '-', '.'], { maxBuffer: 1 << 26 });
    return () => scratch[Symbol.dispose]();
  });

  function compare(root: string): void {
    for (const name of Object.keys(FILES)) {
      const [made, original] = [`${root}/${name}`, scratch.join('tree', name)];
      expect(statSync(made).size).toBe(statSync(original).size);
      execFileSync('cmp', name === 'huge' ? ['-n', '1000', made, original] : [made, original]);
    }
    execFileSync('cmp', ['-i', String(2 * GIB - 100), '-n', '11000', `${root}/huge`, scratch.join('tree/huge')]);
  }

  it('are read as they were, in chunks of any size', () => {
    const small = execFileSync(
      'tar',
      [
        '--format=pax',
        '--sparse',
        `--sparse-version=${version}`,
        '-C',
        scratch.join('tree'),
        '-cf',
        '-',
        'many',
        'dense',
      ],
      { maxBuffer: 1 << 26 },
    );
    for (const chunkBytes of [small.length, 512, 7]) {
      const entries = listTar(small, chunkBytes);
      expect(entries.map(({ unsafeName }) => unsafeName)).toEqual(['many', 'dense']);
      const [many] = entries;
      expect(many?.content).toBe(readFileSync(scratch.join('tree/many')).toString('latin1'));
    }
  });

  it('have real holes in a directory', () => {
    const root = scratch.join('directory');
    mkdirSync(root);
    const writer = createDirectoryWriter({ root, form: 'merged', privileged: IS_ROOT, limits: DEFAULT_LIMITS });
    const line = readTar(DEFAULT_LIMITS, writer);
    line.write(archive);
    line.end();
    writer.close();
    compare(root);
    expect(statSync(`${root}/huge`).blocks * 512).toBeLessThan(100_000);
    expect(statSync(`${root}/hole`).blocks).toBe(0);
  });

  describeWith(['root'], 'in an image', () => {
    it('are not stored', async () => {
      const { image } = writeLayerImage(scratch.join('image'), [archive]);
      expect(image.imageBytes).toBeLessThan(700_000);
      expect(await fsckImage(scratch.join('image'))).toBe('');
      mkdirSync(scratch.join('mounted'));
      await mountImage(scratch.join('image'), scratch.join('mounted'));
      try {
        compare(scratch.join('mounted'));
      } finally {
        umount(scratch.join('mounted'));
      }
    });
  });
});

describeWith(['root'], 'a hard link to a sparse file of a layer below', () => {
  it.each(['directory', 'image'])('copies no holes into the %s', async (form) => {
    using scratch = new Scratch('sparse');
    const records = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': String(8 * GIB) };
    const map = Buffer.alloc(512);
    map.write(`2\n0\n3\n${4 * GIB}\n2\n`);
    const sparse = file('f', Buffer.concat([map, Buffer.from('abcde')]), { pax: records });
    writeLayerImage(scratch.join('lower'), [tar([dir('./'), sparse])]);
    mkdirSync(scratch.join('below'));
    await mountImage(scratch.join('lower'), scratch.join('below'));
    try {
      const lower = lowerView([scratch.join('below')]);
      const members = [hardlink('g', 'f')];
      if (form === 'image') {
        const { image, facts } = writeImage(scratch.join('upper'), members, { lower });
        expect(image.imageBytes).toBeLessThan(2_000_000);
        expect(facts.contentBytes).toBeLessThan(1_000_000);
        return;
      }
      const root = scratch.join('upper');
      mkdirSync(root);
      const writer = createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS });
      feed(writer, members);
      expect(statSync(`${root}/g`).size).toBe(8 * GIB);
      expect(statSync(`${root}/g`).blocks * 512).toBeLessThan(1_000_000);
    } finally {
      umount(scratch.join('below'));
    }
  });
});

describe('a sparse file', () => {
  const member = (records: PaxRecords, content: Uint8Array | string) =>
    tar([file('f', Buffer.from(content), { pax: records })]);
  const old = (map: string, size = '10') => ({
    'GNU.sparse.size': size,
    'GNU.sparse.numblocks': String(map.split(',').length / 2),
    'GNU.sparse.map': map,
  });
  const current = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '10' };
  const mapped = (map: string, data = '') => {
    const block = Buffer.alloc(Math.ceil(map.length / 512) * 512);
    block.write(map);
    return Buffer.concat([block, Buffer.from(data)]);
  };

  it.each([
    ['0.1', member(old('1,2,5,1,10,0'), 'abc')],
    ['1.0', member(current, mapped('3\n1\n2\n5\n1\n10\n0\n', 'abc'))],
  ])('of format %s has its data where the map says', (_, archive) => {
    expect(listTar(archive).map(({ content, size }) => [content, size])).toEqual([['\0ab\0\0c\0\0\0\0', 10]]);
  });

  it.each([
    ['runs that overlap', member(old('0,2,1,2'), 'abcd')],
    ['runs out of order', member(old('5,1,0,1'), 'ab')],
    ['a run beyond its size', member(old('9,2'), 'ab')],
    ['a negative length', member(old('5,-1'), '')],
    ['less data than its map says', member(old('0,5'), 'abc')],
    ['more data than its map says', member(old('0,2'), 'abc')],
    ['fewer numbers than it says', member({ ...old('0,2'), 'GNU.sparse.numblocks': '2' }, 'ab')],
    ['a number that is none', member(old('0,x'), 'ab')],
    ['a negative size', member(old('0,0', '-1'), '')],
    ['a map without its end', member(current, 'abc')],
    ['a map that does not end in its content', member(current, mapped(`9\n${'1\n'.repeat(200)}`))],
    ['a line that is no number', member(current, mapped('1\n0\n+2\n', 'ab'))],
    ['a line that does not end', member(current, mapped('1'.repeat(513)))],
    ['a map of a directory', tar([dir('d', { pax: old('0,0') })])],
  ])('is refused with %s', async (_, archive) => {
    await expectFailure('TAR_INVALID', () => listTar(archive));
  });

  it('is refused in an unknown format', async () => {
    await expectFailure('TAR_UNSUPPORTED', () => listTar(member({ 'GNU.sparse.major': '2' }, 'abc')));
  });

  it.each([
    ['one file', 1, '101'],
    ['all files together', 3, '40'],
  ])('is bounded by the size of a layer: %s', async (_, count, size) => {
    const limits = { ...DEFAULT_LIMITS, maxLayerBytes: 100 };
    const archive = tar(Array.from({ length: count }, () => file('f', '', { pax: old('0,0', size) })));
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => listTar(archive, archive.length, limits));
    expect(error.context['limit']).toBe('maxLayerBytes');
  });

  it('is bounded by the size of its map', async () => {
    const archive = member(current, mapped(`400\n${'1\n'.repeat(800)}`));
    const limits = { ...DEFAULT_LIMITS, maxPaxBytes: 1024 };
    const error = await expectFailure('TAR_INVALID', () => listTar(archive, archive.length, limits));
    expect(error.context['limit']).toBe('maxPaxBytes');
  });
});

describeWith(['root'], 'sparse files of any map', () => {
  it('are the same in an image and in a directory', async () => {
    using scratch = new Scratch('sparse');
    const random = seededRandom(7);
    const below = (limit: number) => Math.floor(random() * limit);
    const members = Array.from({ length: 60 }, (_, number) => {
      const numbers: number[] = [];
      let end = 0;
      let data = 0;
      for (let runs = below(12); runs > 0; runs -= 1) {
        const offset = end + below([2, 5000, 300_000][below(3)] ?? 0);
        const length = below([2, 5000, 50_000][below(3)] ?? 0);
        numbers.push(offset, length);
        end = offset + length;
        data += length;
      }
      const size = end + below([1, 10_000, 20_000_000][below(3)] ?? 0);
      numbers.push(size, 0);
      const pax = {
        'GNU.sparse.size': String(size),
        'GNU.sparse.numblocks': String(numbers.length / 2),
        'GNU.sparse.map': numbers.join(),
      };
      return file(`f${number}`, Buffer.alloc(data, 'content of a sparse file, '), { pax });
    });
    const archive = tar(members);
    writeLayerImage(scratch.join('image'), [archive]);
    const root = scratch.join('directory');
    mkdirSync(root);
    const line = readTar(
      DEFAULT_LIMITS,
      createDirectoryWriter({ root, form: 'merged', privileged: true, limits: DEFAULT_LIMITS }),
    );
    line.write(archive);
    line.end();
    expect(await fsckImage(scratch.join('image'))).toBe('');
    mkdirSync(scratch.join('mounted'));
    await mountImage(scratch.join('image'), scratch.join('mounted'));
    try {
      execFileSync('diff', ['-r', root, scratch.join('mounted')]);
    } finally {
      umount(scratch.join('mounted'));
    }
  });
});
