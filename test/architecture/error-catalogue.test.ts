import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderErrors } from '../../scripts/render-docs.ts';
import { CODES, type ErrorCode } from '../../src/errors/index.ts';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const codes = Object.keys(CODES) as ErrorCode[];
const read = (path: string): string => readFileSync(join(PROJECT_ROOT, path), 'utf8');

/** Returns the codes that occur in quotes in one of `paths`. */
function quotedCodes(paths: readonly string[]): Set<string> {
  return new Set(
    paths.flatMap((path) => [...read(path).matchAll(/['"]([A-Z][A-Z0-9_]+)['"]/g)].map(([, code = '']) => code)),
  );
}

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

  it.each(codes)('%s explains itself in one sentence and says what to do next', (code) => {
    const { summary, hint } = CODES[code];
    expect(summary).toMatch(/^[A-Z].*\.$/);
    expect(hint).toMatch(/^[^A-Z].*[^.]$/);
  });
});
