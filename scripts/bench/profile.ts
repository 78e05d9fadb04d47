import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../../test/support/machine/commands.ts';
import { unmountBelow } from '../../test/support/machine/mounts.ts';
import { Scratch } from '../../test/support/machine/scratch.ts';
import { startDockerRegistry } from '../../test/support/registries/docker-registry.ts';
import { pinnedReference } from './contender.ts';
import { publishImage } from './images.ts';
import { buildPrograms } from './programs.ts';
import { formatProfiles, type ThreadProfile, toThreadProfile } from './self-times.ts';
import { writeSection } from './write-section.ts';

const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

/**
 * Pulls the one-layer image once under V8's sampling profiler and prints what each thread spent itself, function by
 * function. BENCH_SCALE, BENCH_DIR and SEALIFT_STORE_* as for the bench; with `--write` into docs/performance.md.
 */
async function profile(): Promise<void> {
  using scratch = new Scratch('profile');
  try {
    await using registry = await startDockerRegistry();
    const programs = await buildPrograms(scratch.join('programs'));
    const image = await publishImage('one', Number(process.env['BENCH_SCALE'] || 1), registry.url, scratch.path);
    const folder = scratch.join('profiles');
    mkdirSync(folder);
    const reference = pinnedReference({ registry: registry.host, image });
    const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
    const profiler = ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${folder}`];
    const pull = ['pull', reference, '--tls-verify=false', '--bundle', scratch.join('bundle'), '--quiet'];
    const start = performance.now();
    await mustRun(programs.node, [...flags, ...profiler, join(programs.node, '../sealift.mjs'), ...pull], {
      env: { ...process.env, ...settings(scratch), MALLOC_ARENA_MAX: '1' },
    });
    const seconds = (performance.now() - start) / 1000;
    const text = formatProfiles(readProfiles(folder), seconds);
    console.log(text);
    if (process.argv.includes('--write')) writeSection(DOCUMENT, 'profile', text);
  } finally {
    await unmountBelow(scratch.path);
  }
}

function settings(scratch: Scratch): Record<string, string> {
  return {
    SEALIFT_STORE_DATA: scratch.join('data'),
    SEALIFT_STORE_STATE: scratch.join('state'),
    SEALIFT_STORE_LAYER_FORMAT: process.env['SEALIFT_STORE_LAYER_FORMAT'] ?? 'erofs',
    SEALIFT_STORE_VERITY: process.env['SEALIFT_STORE_VERITY'] ?? 'never',
  };
}

function readProfiles(folder: string): ThreadProfile[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => toThreadProfile(basename(name), JSON.parse(readFileSync(join(folder, name), 'utf8'))));
}

process.env['TMPDIR'] = process.env['BENCH_DIR'] || (existsSync('/dev/shm') ? '/dev/shm' : '/var/tmp');
await profile();
