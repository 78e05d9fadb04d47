import { describe, expect, it } from 'vitest';
import { parseKernelCommandLine } from '../../../../src/config/daemon/parse-kernel-command-line.ts';

describe('parseKernelCommandLine', () => {
  it.each([
    ['', {}],
    ['\n', {}],
    ['quiet ro', {}],
    ['a=1 b=2\n', { a: '1', b: '2' }],
    ['a=1\tb=2  c=3', { a: '1', b: '2', c: '3' }],
    ['a=1 a=2', { a: '2' }],
    ['a=1 a=', {}],
    ['a=1 a', { a: '1' }],
    ['a=b=c', { a: 'b=c' }],
    ['=x', {}],
    ['a="1 2"', { a: '"1' }],
    ['a=1 -- a=2', { a: '2' }],
    ['xa=1', { xa: '1' }],
  ])('%j', (text, expected) => {
    expect(Object.fromEntries(parseKernelCommandLine(text))).toEqual(expected);
  });
});
