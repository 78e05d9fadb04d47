import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { buildProgram } from '../../scripts/build-program.ts';
import { PROJECT_ROOT } from './source-files.ts';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function build(): Promise<Map<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'sealift-build-'));
  folders.push(folder);
  await buildProgram(PROJECT_ROOT, folder);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.mjs') || name === 'sealift',
  );
  return new Map(files.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

describe('make build', () => {
  it('gives the same bytes twice, wherever it builds', async () => {
    const [first, second] = [await build(), await build()];
    expect([...first.keys()]).toEqual(expect.arrayContaining(['lib/sealift.mjs', 'lib/worker.mjs', 'sealift']));
    expect([...second.keys()]).toEqual([...first.keys()]);
    for (const [name, text] of first) {
      expect(second.get(name) === text, `${name} differs`).toBe(true);
      expect(text.includes(PROJECT_ROOT), `${name} contains the path of the checkout`).toBe(false);
    }
  });
});
