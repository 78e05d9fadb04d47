import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { buildProgram } from '../build-program.ts';

export interface BuiltPrograms {
  readonly sealift: string;
  readonly sealiftd: string;
  readonly node: string;
  readonly floor: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Builds into a separate folder, so that no other build changes the programs during the bench. */
export async function buildPrograms(folder: string): Promise<BuiltPrograms> {
  await buildProgram(ROOT, folder);
  const floor = join(folder, 'lib/floor.mjs');
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['scripts/bench/floor.ts'],
    outfile: floor,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    logLevel: 'warning',
  });
  await stop();
  return {
    sealift: join(folder, 'sealift'),
    sealiftd: join(folder, 'sealiftd'),
    node: join(folder, 'lib/node'),
    floor,
  };
}
