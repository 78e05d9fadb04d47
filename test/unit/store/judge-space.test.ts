import { describe, expect, it } from 'vitest';
import { judgeSpace } from '../../../src/store/check-space.ts';

const NEED = { compressedBytes: 100, estimatedBytes: 250 };

describe('judgeSpace', () => {
  it.each([
    [260, 'fits'],
    [259, 'tight'],
    [110, 'tight'],
    [109, 'exhausted'],
    [0, 'exhausted'],
  ])('says that 100 bytes, 250 unpacked, beside 10 that stay free, into %d is "%s"', (availableBytes, verdict) => {
    expect(judgeSpace(NEED, 10, { sizeBytes: 1_000, availableBytes })).toBe(verdict);
  });
});
