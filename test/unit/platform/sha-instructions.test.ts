import { describe, expect, it } from 'vitest';
import { matchShaInstructions } from '../../../src/platform/sha-instructions.ts';

describe('matchShaInstructions', () => {
  it.each([
    ['x86 with them', 'model name\t: AMD EPYC\nflags\t\t: fpu vme adx sha_ni xsaveopt\n', true],
    ['x86 with them at the end', 'flags\t\t: fpu sha_ni\nbugs\t: sysret_ss_attrs\n', true],
    ['x86 without', 'flags\t\t: fpu vme adx xsaveopt\nbugs\t\t: sha_ni\n', false],
    ['arm64 with them', 'Features\t: fp asimd aes pmull sha1 sha2 crc32\n', true],
    ['arm64 with the other two kinds alone', 'Features\t: fp asimd sha1 sha512\n', false],
    ['nothing', '', false],
  ])('%s', (_, cpuinfo, expected) => {
    expect(matchShaInstructions(cpuinfo)).toBe(expected);
  });
});
