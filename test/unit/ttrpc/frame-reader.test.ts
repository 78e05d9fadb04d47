import { describe, expect, it } from 'vitest';
import { Budget } from '../../../src/ttrpc/budget.ts';
import { formatFrame } from '../../../src/ttrpc/frame.ts';
import { FREE_FRAME_BYTES, FrameReader, type FrameReaderOptions } from '../../../src/ttrpc/frame-reader.ts';

const MAX = 4 * 1_024 * 1_024;

function open(change: Partial<FrameReaderOptions> = {}) {
  const seen = { frames: [] as unknown[], refused: [] as unknown[], release: [] as (() => void)[] };
  const reader = new FrameReader({
    maxBytes: MAX,
    budget: new Budget(MAX),
    onFrame: ({ streamId, type, flags }, data, release) => {
      seen.frames.push([streamId, type, flags, data.toString('latin1')]);
      seen.release.push(release);
    },
    onRefused: ({ streamId, length }, refusal) => seen.refused.push([streamId, length, refusal]),
    ...change,
  });
  return { reader, ...seen };
}

function frame(streamId: number, data: string | Buffer, type = 1, flags = 0): Buffer {
  return formatFrame({ streamId, type, flags }, Buffer.from(data));
}

function header(length: number, streamId = 1): Buffer {
  const bytes = frame(streamId, '');
  bytes.writeUInt32BE(length, 0);
  return bytes;
}

describe('FrameReader', () => {
  it('reads stream id, type, flags and data', () => {
    const { reader, frames } = open();
    reader.push(Buffer.from('00000003fffffffe0305616263', 'hex'));
    expect(frames).toEqual([[0xffff_fffe, 3, 5, 'abc']]);
  });

  it('reads frames without data, and many in one chunk', () => {
    const { reader, frames } = open();
    reader.push(Buffer.concat([frame(1, ''), frame(3, 'x'), frame(5, '', 2), frame(7, 'yz', 9, 255)]));
    expect(frames).toEqual([
      [1, 1, 0, ''],
      [3, 1, 0, 'x'],
      [5, 2, 0, ''],
      [7, 9, 255, 'yz'],
    ]);
  });

  it('knows whether it is inside of a frame, and which one', () => {
    const { reader } = open();
    expect([reader.isMidFrame, reader.frames]).toEqual([false, 0]);
    reader.push(frame(1, 'abc').subarray(0, 1));
    expect([reader.isMidFrame, reader.frames]).toEqual([true, 1]);
    reader.push(frame(1, 'abc').subarray(1, 12));
    expect([reader.isMidFrame, reader.frames]).toEqual([true, 1]);
    reader.push(Buffer.concat([frame(1, 'abc').subarray(12), frame(3, '').subarray(0, 9)]));
    expect([reader.isMidFrame, reader.frames]).toEqual([true, 2]);
    reader.push(frame(3, '').subarray(9));
    expect([reader.isMidFrame, reader.frames]).toEqual([false, 2]);
  });

  it('takes the largest message, and not one byte more', () => {
    const { reader, frames, refused } = open({ maxBytes: 10 });
    reader.push(Buffer.concat([frame(1, '0123456789'), frame(3, '0123456789a'), frame(5, 'after')]));
    expect(frames).toEqual([
      [1, 1, 0, '0123456789'],
      [5, 1, 0, 'after'],
    ]);
    expect(refused).toEqual([[3, 11, 'tooLarge']]);
  });

  it('refuses by the header, before any of the data has come', () => {
    const { reader, refused } = open();
    reader.push(header(0xffff_ffff, 9));
    expect(refused).toEqual([[9, 0xffff_ffff, 'tooLarge']]);
  });

  it('takes nothing of the budget for a length that was only claimed', () => {
    const budget = new Budget(FREE_FRAME_BYTES);
    const { reader, refused } = open({ budget });
    reader.push(header(MAX));
    reader.push(Buffer.alloc(10));
    expect(budget.take(FREE_FRAME_BYTES)).toBe(true);
    expect(refused).toEqual([]);
  });

  it('gives up a frame that finds no budget, skips its rest, and goes on', () => {
    const budget = new Budget(FREE_FRAME_BYTES);
    const { reader, frames, refused } = open({ budget });
    reader.push(header(3 * FREE_FRAME_BYTES));
    for (let i = 0; i < 3; i++) reader.push(Buffer.alloc(FREE_FRAME_BYTES, 'x'));
    expect(refused).toEqual([[1, 3 * FREE_FRAME_BYTES, 'overloaded']]);
    reader.push(frame(3, 'after'));
    expect(frames).toEqual([[3, 1, 0, 'after']]);
    expect(budget.take(FREE_FRAME_BYTES)).toBe(true);
  });

  it('reads small frames when the budget is gone', () => {
    const { reader, frames } = open({ budget: new Budget(0) });
    reader.push(frame(1, Buffer.alloc(FREE_FRAME_BYTES)));
    expect(frames).toHaveLength(1);
  });

  it('holds the budget of a frame until that is released, once', () => {
    const size = 2 * FREE_FRAME_BYTES;
    const budget = new Budget(size);
    const { reader, release } = open({ budget });
    reader.push(frame(1, Buffer.alloc(size)));
    expect(budget.take(1)).toBe(false);
    release[0]?.();
    release[0]?.();
    expect([budget.take(size), budget.take(1)]).toEqual([true, false]);
  });

  it('gives the budget of an unfinished frame back when it is closed', () => {
    const size = 2 * FREE_FRAME_BYTES;
    const budget = new Budget(size);
    const { reader } = open({ budget });
    reader.push(frame(1, Buffer.alloc(size)).subarray(0, size));
    expect(budget.take(size)).toBe(false);
    reader.close();
    expect(budget.take(size)).toBe(true);
  });
});
