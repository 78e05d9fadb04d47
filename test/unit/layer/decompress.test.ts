import { createHash } from 'node:crypto';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type DecompressOptions, decompress, type InflateMode } from '../../../src/layer/decompress/index.ts';
import { SLOT_BYTES, type SlotWriter } from '../../../src/layer/ring.ts';
import { createWindowGate, createWindowTokenMemory } from '../../../src/layer/window-token.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import type { LayerCompression } from '../../../src/oci/index.ts';
import { file, tar, zeroBlocks } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const ENGINES = ['isal', 'sync-handle', 'stream'] as const;

function pseudoRandom(length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block * 32 < length; block++) blocks.push(createHash('sha256').update(`${block}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

function collectSlots(): SlotWriter & { bytes(): Buffer; ended: boolean } {
  const parts: Buffer[] = [];
  const memory = Buffer.alloc(SLOT_BYTES);
  return {
    ended: false,
    acquire: () => memory,
    publish: (length) => void parts.push(Buffer.from(memory.subarray(0, length))),
    end() {
      this.ended = true;
    },
    bytes: () => Buffer.concat(parts),
  };
}

interface Run {
  readonly compression: LayerCompression;
  readonly engine?: DecompressOptions['engine'];
  readonly inflate?: InflateMode;
  readonly limits?: Partial<Limits>;
  readonly chunkBytes?: number;
}

async function run(blob: Buffer, options: Run): Promise<Buffer> {
  return (await runLabelled(blob, options)).bytes;
}

/** Returns what was read, and as what. */
async function runLabelled(blob: Buffer, options: Run) {
  const slots = collectSlots();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const windowGate = createWindowGate({
    memory: createWindowTokenMemory(),
    workerId: 1,
    maxWindowLog: limits.maxZstdWindowLog,
    throwIfCancelled: () => {},
  });
  const { compression } = options;
  const engine = options.engine === undefined ? {} : { engine: options.engine };
  const inflate = options.inflate === undefined ? {} : { inflate: options.inflate };
  const line = decompress({ compression, limits, windowGate, ...engine, ...inflate }, slots);
  try {
    const step = options.chunkBytes ?? 65_536;
    for (let offset = 0; offset < blob.length; offset += step) await line.write(blob.subarray(offset, offset + step));
    await line.end();
  } finally {
    line.close();
  }
  expect(slots.ended).toBe(true);
  return { bytes: slots.bytes(), compression: line.compression };
}

const SKIPPABLE = Buffer.from('502a4d1803000000616263', 'hex');
const text = Buffer.concat([pseudoRandom(700_000), Buffer.alloc(900_000, 'sealift')]);
const gzip = (part: Buffer) => gzipSync(part);
const zstd = (part: Buffer) => zstdCompressSync(part);
const half = text.length >> 1;

function describeEngines(body: (engine: (typeof ENGINES)[number]) => void): void {
  for (const engine of ENGINES) {
    describeWith(engine === 'isal' ? ['libisal'] : [], `decompress with the engine ${engine}`, () => body(engine));
  }
}

describeEngines((engine) => {
  it.each([
    ['one gzip member', 'gzip', gzip(text)],
    ['two gzip members', 'gzip', Buffer.concat([gzip(text.subarray(0, half)), gzip(text.subarray(half))])],
    ['one zstd frame', 'zstd', zstd(text)],
    ['two zstd frames', 'zstd', Buffer.concat([zstd(text.subarray(0, half)), zstd(text.subarray(half))])],
    [
      'zstd frames between skippable frames',
      'zstd',
      Buffer.concat([SKIPPABLE, zstd(text.subarray(0, half)), SKIPPABLE, zstd(text.subarray(half)), SKIPPABLE]),
    ],
    ['no compression', 'none', text],
  ] as const)('gives back the bytes of %s', async (_, compression, blob) => {
    expect((await run(blob, { compression, engine })).equals(text)).toBe(true);
  });

  it.each([
    ['gzip cut in the data', 'gzip', gzip(text).subarray(0, 1000)],
    ['gzip without its last byte', 'gzip', gzip(text).subarray(0, -1)],
    ['an empty gzip blob', 'gzip', Buffer.alloc(0)],
    ['garbage after a gzip member', 'gzip', Buffer.concat([gzip(text), Buffer.from('garbage!')])],
    ['zstd cut in the data', 'zstd', zstd(text).subarray(0, 1000)],
    ['zstd without its last byte', 'zstd', zstd(text).subarray(0, -1)],
    ['an empty zstd blob', 'zstd', Buffer.alloc(0)],
    ['garbage after a zstd frame', 'zstd', Buffer.concat([zstd(text), Buffer.from('garbage!')])],
  ] as const)('refuses %s', async (_, compression, blob) => {
    await expectFailure('LAYER_DECOMPRESS_FAILED', () => run(blob, { compression, engine }));
  });

  const archive = tar([file('f', 'f')]);
  it.each([
    ['zstd', 'gzip', zstd(archive)],
    ['gzip', 'zstd', gzip(archive)],
    ['none', 'gzip', archive],
    ['none', 'zstd', archive],
    ['gzip', 'none', gzip(archive)],
    ['zstd', 'none', zstd(archive)],
    ['zstd', 'none', Buffer.concat([SKIPPABLE, zstd(archive)])],
    ['none', 'gzip', zeroBlocks(2)],
  ] as const)('reads %s that is called %s as what it is, however it arrives', async (actual, compression, blob) => {
    const plain = { none: blob, gzip: archive, zstd: archive }[actual];
    for (const chunkBytes of [65_536, 512, 300, 1]) {
      const read = await runLabelled(blob, { compression, engine, chunkBytes });
      expect(read.compression).toBe(actual);
      expect(read.bytes.equals(plain)).toBe(true);
    }
  });

  it.each([
    ['xz', '\xfd7zXZ\0'],
    ['bzip2', 'BZh91AY'],
    ['lz4', '\x04\x22\x4d\x18'],
  ])('says so when a layer is %s', async (actual, magic) => {
    const blob = Buffer.concat([Buffer.from(magic, 'latin1'), pseudoRandom(1000)]);
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      const error = await expectFailure('LAYER_TYPE_MISMATCH', () => run(blob, { compression, engine }));
      expect(error.context).toEqual({ expected: compression, actual });
    }
  });

  it.each(['gzip', 'zstd'] as const)('reads what shows no format as %s, which it is called', async (compression) => {
    const failure = () => run(pseudoRandom(1000), { compression, engine });
    await expectFailure('LAYER_DECOMPRESS_FAILED', failure);
    await expectFailure('LAYER_DECOMPRESS_FAILED', () => run(Buffer.alloc(0), { compression, engine }));
  });

  it('takes a plain tar whose first name begins as gzip does', async () => {
    const odd = tar([file(Buffer.from('1f8b0800', 'hex'), 'f')]);
    expect((await run(odd, { compression: 'none', engine })).equals(odd)).toBe(true);
  });

  it('refuses a wrong gzip checksum', async () => {
    const blob = gzip(text);
    blob.writeUInt32LE(blob.readUInt32LE(blob.length - 8) ^ 1, blob.length - 8);
    await expectFailure('LAYER_DECOMPRESS_FAILED', () => run(blob, { compression: 'gzip', engine }));
  });
});

describe.each(['auto', 'zlib'] as const)('decompress with inflate = %s', (inflate) => {
  it('refuses zeros behind the last gzip member, which other readers take for an error too', async () => {
    const blob = Buffer.concat([gzip(text), Buffer.alloc(512)]);
    await expectFailure('LAYER_DECOMPRESS_FAILED', () => run(blob, { compression: 'gzip', inflate }));
  });

  it('reads zstd and gzip in chunks of one byte', async () => {
    const small = text.subarray(690_000, 710_000);
    expect((await run(zstd(small), { compression: 'zstd', inflate, chunkBytes: 1 })).equals(small)).toBe(true);
    expect((await run(gzip(small), { compression: 'gzip', inflate, chunkBytes: 1 })).equals(small)).toBe(true);
  });

  it('stops a layer that is larger than allowed', async () => {
    const blob = gzip(Buffer.alloc(4 << 20));
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () =>
      run(blob, { compression: 'gzip', inflate, limits: { maxLayerBytes: 1 << 20 } }),
    );
    expect(error.context).toMatchObject({ limit: 'maxLayerBytes', expected: 1 << 20 });
  });

  it('stops a bomb at the expansion limit once it is past the free part', async () => {
    const blob = zstd(Buffer.alloc(128 << 20));
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => run(blob, { compression: 'zstd', inflate }));
    expect(error.context['limit']).toBe('maxExpansionRatio');
  });

  it('refuses a zstd window above the limit before the decoder allocates it', async () => {
    const blob = zstdCompressSync(text, { params: { [constants.ZSTD_c_windowLog]: 20 } });
    // Streams of unknown length carry a window descriptor: magic, descriptor without single segment, window 2^28.
    const huge = Buffer.concat([Buffer.from('28b52ffd00', 'hex'), Buffer.from([(28 - 10) << 3]), blob.subarray(9)]);
    for (const compression of ['zstd', 'gzip'] as const) {
      const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => run(huge, { compression, inflate }));
      expect(error.context['limit']).toBe('maxZstdWindowLog');
    }
  });

  it('refuses a zstd frame that needs a dictionary', async () => {
    const blob = Buffer.from('28b52ffd2107000000', 'hex');
    await expectFailure('LAYER_DECOMPRESS_FAILED', () => run(blob, { compression: 'zstd', inflate }));
  });
});
