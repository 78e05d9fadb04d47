import { expect, it } from 'vitest';
import { readResidentMemory } from '../../../src/platform/index.ts';

const MIB = 1 << 20;

it('counts anonymous memory apart from pages of files', () => {
  const before = readResidentMemory();
  const held = Buffer.alloc(64 * MIB, 1);
  const after = readResidentMemory();
  expect(held[0]).toBe(1);
  expect(after.anonymousBytes - before.anonymousBytes).toBeGreaterThan(56 * MIB);
  expect(Math.abs(after.fileBytes - before.fileBytes)).toBeLessThan(8 * MIB);
  // The binary of Node alone has more pages in memory than this.
  expect(after.fileBytes).toBeGreaterThan(10 * MIB);
  expect(after.rssBytes).toBeGreaterThanOrEqual(after.anonymousBytes + after.fileBytes);
});
