import { describe, expect, it } from 'vitest';
import { judgeSpace } from '../../../src/store/measure-space.ts';

const NEED = { compressedBytes: 100, estimatedBytes: 250 };

describe('judgeSpace', () => {
  it.each([
    [250, 'fits'],
    [249, 'tight'],
    [100, 'tight'],
    [99, 'exhausted'],
    [0, 'exhausted'],
  ])('says that 100 bytes, 250 unpacked, into %d is "%s"', (availableBytes, verdict) => {
    expect(judgeSpace(NEED, availableBytes)).toEqual({ availableBytes, verdict });
  });
});
