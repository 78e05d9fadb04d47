import { describe, expect, it } from 'vitest';
import { topmostCopies } from '../../../src/snapshot/topmost-copies.ts';

function copies(...paths: string[]): string {
  return topmostCopies(paths.map((path) => ({ path })))
    .map(({ path }) => path)
    .join('');
}

describe('topmostCopies', () => {
  it.each([
    ['', ''],
    ['ABC', 'ABC'],
    ['ABA', 'BA'],
    ['AAA', 'A'],
    ['CABAB', 'CAB'],
  ])('makes of %j, bottom to top, %j', (layers, expected) => {
    expect(copies(...layers)).toBe(expected);
  });
});
