import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const files = listFiles('testdata', '').filter((path) => path !== 'testdata/README.md');
const readme = readFileSync(join(PROJECT_ROOT, 'testdata/README.md'), 'utf8');

describe('testdata', () => {
  it('says of each file what it is and who made it', () => {
    expect(files.filter((path) => !readme.includes(`\`${path.slice('testdata/'.length)}\``))).toEqual([]);
  });

  it('has no file over 64 KiB', () => {
    expect(files.filter((path) => statSync(join(PROJECT_ROOT, path)).size > 64 * 1024)).toEqual([]);
  });
});
