import { describe, expect, it } from 'vitest';
import { memoryBytes, memoryOptions } from '../../../src/volume/mount-memory.ts';

const GIB = 2 ** 30;

describe('the memory of the store', () => {
  it('is a part of the machine’s, in whole pages', () => {
    expect(memoryBytes({ kind: 'percent', percent: 50 }, 3 * GIB + 6_000)).toBe(1.5 * GIB);
    expect(memoryBytes({ kind: 'bytes', bytes: 10_000 }, GIB)).toBe(8_192);
  });

  it('has a size, enough inodes and no huge pages', () => {
    expect(memoryOptions(GIB)).toBe('size=1073741824,nr_inodes=131072,mode=0700');
    expect(memoryOptions(4_096)).toBe('size=4096,nr_inodes=16384,mode=0700');
  });
});
