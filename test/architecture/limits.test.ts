import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderLimits } from '../../scripts/render-docs.ts';
import { LIMITS, type LimitName } from '../../src/limits/index.ts';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const names = Object.keys(LIMITS) as LimitName[];
const sources = listFiles('src')
  .filter((path) => !path.startsWith('src/limits/'))
  .map((path) => readFileSync(join(PROJECT_ROOT, path), 'utf8'));

describe('the limits', () => {
  it('are the table in docs/limits.md', () => {
    expect(readFileSync(join(PROJECT_ROOT, 'docs/limits.md'), 'utf8'), 'run `make docs`').toBe(renderLimits());
  });

  it.each(names)('%s is a positive number that something obeys', (name) => {
    expect(LIMITS[name].default).toBeGreaterThan(0);
    expect(sources.some((source) => source.includes(name))).toBe(true);
  });
});
