import { crc32, deflateRawSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type DecompressOptions, decompress } from '../../../src/layer/decompress/index.ts';
import { SLOT_BYTES } from '../../../src/layer/ring.ts';
import { createWindowGate, createWindowTokenMemory } from '../../../src/layer/window-token.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { frameMember } from '../../support/inflate/gzip-cases.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const TEXT = Buffer.from('sealift '.repeat(1_000));
const DATA = deflateRawSync(TEXT);
const PLAIN = Buffer.from('1f8b0800000000000003', 'hex');
const MEMBER = frameMember(PLAIN, DATA, TEXT);
const FLAG = { checksum: 2, extra: 4, name: 8, comment: 16 } as const;

/** A header with all optional parts and their checksum. */
function fullHeader(): Buffer {
  const flags = FLAG.checksum | FLAG.extra | FLAG.name | FLAG.comment;
  const parts = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]),
    Buffer.from([3, 0, 1, 2, 3]),
    Buffer.from('name\0comment\0'),
  ]);
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE(crc32(parts) & 0xffff);
  return Buffer.concat([parts, checksum]);
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(value, at < 0 ? copy.length + at : at);
  return copy;
}

function inflate(blob: Buffer, engine: DecompressOptions['engine'], change: Partial<Limits> & { step?: number }) {
  const { step = 65_536, ...limitChange } = change;
  const limits = { ...DEFAULT_LIMITS, ...limitChange };
  const parts: Buffer[] = [];
  const slot = Buffer.alloc(SLOT_BYTES);
  const memory = createWindowTokenMemory();
  const windowGate = createWindowGate({ memory, workerId: 1, maxWindowLog: 27, throwIfCancelled: () => {} });
  const slots = {
    acquire: () => slot,
    publish: (length: number) => void parts.push(Buffer.from(slot.subarray(0, length))),
    end: () => {},
  };
  const line = decompress({ compression: 'gzip', limits, windowGate, ...(engine && { engine }) }, slots);
  for (let offset = 0; offset < blob.length; offset += step) void line.write(blob.subarray(offset, offset + step));
  void line.end();
  line.close();
  return Buffer.concat(parts);
}

const FULL = fullHeader();
const WITHOUT_END = 'unexpected end of file (Z_BUF_ERROR)';

describeWith(['libisal'], 'gzip, which ISA-L and zlib', () => {
  it.each<[string, Buffer]>([
    ['a plain header', MEMBER],
    ['a header with every part', frameMember(FULL, DATA, TEXT)],
    [
      'a header with an extra field of no bytes',
      frameMember(Buffer.from('1f8b08040000000000030000', 'hex'), DATA, TEXT),
    ],
    ['an empty member before it', Buffer.concat([frameMember(FULL, deflateRawSync(''), Buffer.alloc(0)), MEMBER])],
  ])('accept with %s', (_, blob) => {
    for (const engine of ['isal', 'sync-handle'] as const) {
      for (const step of [1, 7, 65_536]) expect(inflate(blob, engine, { step }).equals(TEXT)).toBe(true);
    }
  });

  it.each<[string, Buffer, string]>([
    ['bytes that are no header', Buffer.alloc(600, 0x41), 'incorrect header check (Z_DATA_ERROR)'],
    ['another method', changed(MEMBER, 2, 7), 'unknown compression method (Z_DATA_ERROR)'],
    ['each reserved flag', changed(MEMBER, 3, 0x20), 'unknown header flags set (Z_DATA_ERROR)'],
    ['the highest reserved flag', changed(MEMBER, 3, 0x80), 'unknown header flags set (Z_DATA_ERROR)'],
    [
      'a wrong checksum of the header',
      frameMember(changed(FULL, 4, 1), DATA, TEXT),
      'header crc mismatch (Z_DATA_ERROR)',
    ],
    ['a wrong checksum of the text', changed(MEMBER, -8, 1), 'incorrect data check (Z_DATA_ERROR)'],
    ['a wrong length', changed(MEMBER, -1, 1), 'incorrect length check (Z_DATA_ERROR)'],
    ['a wrong checksum and no length', changed(MEMBER, -8, 1).subarray(0, -4), 'incorrect data check (Z_DATA_ERROR)'],
    ['nothing at all', Buffer.alloc(0), WITHOUT_END],
    ['half of the magic number', MEMBER.subarray(0, 1), WITHOUT_END],
    ['a header without its end', FULL.subarray(0, -1), WITHOUT_END],
    ['a header alone', FULL, WITHOUT_END],
    ['data without its end', MEMBER.subarray(0, -9), WITHOUT_END],
    ['a trailer without its last byte', MEMBER.subarray(0, -1), WITHOUT_END],
    ['no trailer', MEMBER.subarray(0, -8), WITHOUT_END],
    ['a zero behind it', Buffer.concat([MEMBER, Buffer.alloc(1)]), 'data after the end of the stream'],
    ['a header behind it', Buffer.concat([MEMBER, FULL]), WITHOUT_END],
    ['text behind it', Buffer.concat([MEMBER, TEXT]), 'incorrect header check (Z_DATA_ERROR)'],
    [
      'a distance too far back',
      frameMember(PLAIN, Buffer.from('03820000', 'hex'), TEXT),
      'invalid distance too far back (Z_DATA_ERROR)',
    ],
  ])('refuse in the same words, however it arrives: %s', async (_, blob, words) => {
    for (const engine of ['isal', 'sync-handle'] as const) {
      for (const step of [1, 7, 65_536]) {
        const error = await expectFailure('LAYER_DECOMPRESS_FAILED', () => inflate(blob, engine, { step }));
        expect(error.message).toBe(`gzip layer: ${words}`);
      }
    }
  });

  it('stop at the same byte of a layer that is larger than allowed, and of a bomb', async () => {
    const bomb = frameMember(PLAIN, deflateRawSync(Buffer.alloc(66 << 20), { level: 1 }), Buffer.alloc(0));
    for (const limits of [{ maxLayerBytes: 1 << 20 }, { maxExpansionRatio: 10 }]) {
      const errors = await Promise.all(
        (['isal', 'sync-handle'] as const).map((engine) =>
          expectFailure('LAYER_LIMIT_EXCEEDED', () => inflate(bomb, engine, limits)),
        ),
      );
      expect(errors[0]?.context).toEqual(errors[1]?.context);
      expect(errors[0]?.context['limit']).toBe(Object.keys(limits)[0]);
    }
  });
});
