import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import { Budget } from '../../src/ttrpc/budget.ts';
import { RequestEnvelope, ResponseEnvelope } from '../../src/ttrpc/envelope.ts';
import { formatFrame } from '../../src/ttrpc/frame.ts';
import { FrameReader } from '../../src/ttrpc/frame-reader.ts';

const MAX_BYTES = 64 * 1_024;
const UINT32 = 0xffff_ffff;

const frame = fc.record({
  streamId: fc.nat(UINT32),
  type: fc.nat(255),
  flags: fc.nat(255),
  data: fc.oneof({ weight: 9, arbitrary: fc.uint8Array({ maxLength: 64 }) }, fc.uint8Array({ maxLength: 40_000 })),
});

/** Feeds `bytes` cut at `cuts`, in order, and returns what the reader delivered. */
function read(bytes: Buffer, cuts: readonly number[]) {
  const frames: object[] = [];
  const refused: object[] = [];
  let held = 0;
  const reader = new FrameReader({
    maxBytes: MAX_BYTES,
    budget: new Budget(MAX_BYTES),
    onFrame: ({ streamId, type, flags }, data, release) => {
      frames.push({ streamId, type, flags, data: new Uint8Array(data) });
      held = Math.max(held, data.byteLength);
      release();
    },
    onRefused: (header) => refused.push(header),
  });
  const ends = [...cuts.map((cut) => cut % (bytes.byteLength + 1)), bytes.byteLength].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    reader.push(bytes.subarray(start, end));
    start = end;
  }
  return { frames, refused, held, reader };
}

describe('the frames of ttrpc', () => {
  it('come out as they went in, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(({ data, ...header }) => formatFrame(header, data)));
        const { frames: seen, refused, reader } = read(bytes, cuts);
        expect(seen).toEqual(frames);
        expect(refused).toEqual([]);
        expect(reader.isMidFrame).toBe(false);
      }),
    );
  });

  it('are the same byte by byte', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 4 }), (frames) => {
        const small = frames.map((each) => ({ ...each, data: each.data.subarray(0, 64) }));
        const bytes = Buffer.concat(small.map(({ data, ...header }) => formatFrame(header, data)));
        expect(read(bytes, [...bytes.keys()]).frames).toEqual(small);
      }),
    );
  });

  it('are never more than the bytes that came, whatever these are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4_096 }), fc.array(fc.nat(), { maxLength: 10 }), (garbage, cuts) => {
        const { frames, refused, held } = read(Buffer.from(garbage), cuts);
        expect(10 * (frames.length + refused.length)).toBeLessThanOrEqual(garbage.byteLength);
        expect(held).toBeLessThanOrEqual(garbage.byteLength);
      }),
    );
  });

  it('cost memory for the bytes that came, not for the length that was claimed', () => {
    const before = process.memoryUsage().arrayBuffers;
    const header = formatFrame({ streamId: 1, type: 1, flags: 0 }, Buffer.alloc(0));
    header.writeUInt32BE(4 * 1_024 * 1_024, 0);
    const readers = Array.from({ length: 1_000 }, () => {
      const reader = new FrameReader({
        maxBytes: 4 * 1_024 * 1_024,
        budget: new Budget(Number.MAX_SAFE_INTEGER),
        onFrame: () => expect.unreachable(),
        onRefused: () => expect.unreachable(),
      });
      reader.push(header);
      reader.push(Buffer.alloc(1));
      return reader;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1_024 * 1_024);
    expect(readers.every(({ isMidFrame }) => isMidFrame)).toBe(true);
  });
});

const name = fc.string({ unit: 'binary', maxLength: 60 });
const request = fc.record({
  service: name,
  method: name,
  payload: fc.uint8Array({ maxLength: 300 }),
  timeoutNanos: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  metadata: fc.array(fc.record({ key: name, value: name }), { maxLength: 5 }),
});
const response = fc.record({
  status: fc.option(
    fc.record({
      code: fc.integer(),
      message: name,
      details: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }),
    }),
    { nil: undefined },
  ),
  payload: fc.uint8Array({ maxLength: 300 }),
});

describe('the envelopes of ttrpc', () => {
  it('decode what was encoded', () => {
    fc.assert(
      fc.property(request, response, (call, answer) => {
        expect(RequestEnvelope.decode(RequestEnvelope.encode(call))).toEqual(call);
        expect(ResponseEnvelope.decode(ResponseEnvelope.encode(answer))).toEqual(answer);
      }),
    );
  });

  it('refuse garbage by its code, or take it', () => {
    let refused = 0;
    fc.assert(
      fc.property(damaged(), (bytes) => {
        try {
          RequestEnvelope.decode(bytes);
        } catch (error) {
          if (!(error instanceof SealiftError)) throw error;
          expect(error.code).toBe('TTRPC_MESSAGE_INVALID');
          refused += 1;
        }
      }),
    );
    expect(refused).toBeGreaterThan(0);
  });
});

/** Garbage, and good messages with a few bytes changed. */
function damaged(): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(request, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }))
    .map(([value, changes]) => {
      const bytes = RequestEnvelope.encode(value);
      for (const [at, byte] of changes) if (bytes.byteLength > 0) bytes[at % bytes.byteLength] = byte;
      return bytes;
    });
  return fc.oneof(changed, fc.uint8Array({ maxLength: 200 }));
}
