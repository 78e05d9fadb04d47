import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderErrors } from '../../scripts/render-docs.ts';
import { CODES, daemonHint, type ErrorCode } from '../../src/errors/index.ts';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const codes = Object.keys(CODES) as ErrorCode[];
const read = (path: string): string => readFileSync(join(PROJECT_ROOT, path), 'utf8');

/** Returns the codes that occur in quotes in one of `paths`. */
function quotedCodes(paths: readonly string[]): Set<string> {
  return new Set(
    paths.flatMap((path) => [...read(path).matchAll(/['"]([A-Z][A-Z0-9_]+)['"]/g)].map(([, code = '']) => code)),
  );
}

/** Hints that only the command line shows, or that name options of other programs. */
const KNOWN_ELSEWHERE: ReadonlySet<string> = new Set([
  'name the configuration of the daemon with -c, or leave out --daemon for the store of the command line',
  'use --policy or --insecure-policy, or name the configuration file with -c',
]);

describe('the error catalogue', () => {
  it('is the table in docs/errors.md', () => {
    expect(read('docs/errors.md'), 'run `make docs`').toBe(renderErrors());
  });

  it('has no code that the sources never use', () => {
    const used = quotedCodes(listFiles('src').filter((path) => path !== 'src/errors/codes.ts'));
    expect(codes.filter((code) => !used.has(code))).toEqual([]);
  });

  it('has no code that no test sees', () => {
    const seen = quotedCodes(listFiles('test', '.test.ts').filter((path) => !path.startsWith('test/architecture/')));
    expect(codes.filter((code) => !seen.has(code))).toEqual([]);
  });

  it('is joined by hints in the sources whose options the daemon has settings for', () => {
    const rooms = listFiles('src').filter(
      (path) => !/^src\/(?:bin|cli|doctor|errors)\/|^src\/compose\/(?:cli|doctor)/.test(path),
    );
    const hints = rooms.flatMap((path) =>
      [...read(path).matchAll(/\bhint(?:: | = )(['`])(.*?)\1/gs)].map(([, , hint = '']) => hint),
    );
    expect(hints.length).toBeGreaterThan(10);
    const shown = hints.map((hint) => daemonHint({ code: 'INTERNAL', hint }));
    expect(shown.filter((hint) => /(?<![\w-])--[a-z]/.test(hint) && !KNOWN_ELSEWHERE.has(hint))).toEqual([]);
  });

  it.each(codes)('%s explains itself in one sentence and says what to do next', (code) => {
    const { summary, hint } = CODES[code];
    expect(summary).toMatch(/^[A-Z].*\.$/);
    expect(hint).toMatch(/^[^A-Z].*[^.]$/);
  });
});
