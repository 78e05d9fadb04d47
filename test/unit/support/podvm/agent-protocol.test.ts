import { describe, expect, it } from 'vitest';
import {
  decodeParameters,
  encodeFrame,
  encodeNumberFrame,
  encodeParameters,
  FRAME,
  FrameReader,
} from '../../../support/podvm/agent-protocol.ts';

const STREAM = Buffer.concat([
  encodeNumberFrame(FRAME.started, 4711),
  encodeFrame(FRAME.stdout, Buffer.from([0, 255])),
  encodeFrame(FRAME.stderr, Buffer.alloc(0)),
  encodeFrame(FRAME.stdout, Buffer.alloc(300, 7)),
  encodeNumberFrame(FRAME.exited, 137),
]);

describe("the frames of the guest's agent", () => {
  it.each([1, 2, 3, 7, 100, STREAM.length])('are read from pieces of %i bytes', (size) => {
    const reader = new FrameReader();
    const frames: [kind: number, payload: string][] = [];
    for (let offset = 0; offset < STREAM.length; offset += size) {
      const piece = Buffer.from(STREAM.subarray(offset, offset + size));
      for (const { kind, payload } of reader.read(piece)) frames.push([kind, payload.toString('hex')]);
    }
    expect(frames).toEqual([
      [FRAME.started, Buffer.from('4711').toString('hex')],
      [FRAME.stdout, '00ff'],
      [FRAME.stderr, ''],
      [FRAME.stdout, '07'.repeat(300)],
      [FRAME.exited, Buffer.from('137').toString('hex')],
    ]);
  });

  it('come with parameters of any characters', () => {
    const parameters = { argv: ['sh', '-c', 'echo "ä\n"\0'], env: { A: '=' } };
    expect(decodeParameters(encodeParameters(parameters))).toEqual(parameters);
  });
});
