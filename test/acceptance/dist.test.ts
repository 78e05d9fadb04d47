import { accessSync, constants, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDistribution, type Distribution } from '../../scripts/distribution/create-distribution.ts';
import { mustRun, runCommand } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BARE = { env: {}, cwd: '/' };

describeWith(['tar', 'zstd'], 'the archive of make dist', () => {
  const scratch = new Scratch('dist');
  const place = scratch.join('odd place');
  let made: Distribution;
  let program: string;

  beforeAll(async () => {
    const output = scratch.join('output');
    made = await createDistribution({ root: ROOT, output, compressionLevel: 1, modificationTime: new Date(0) });
    mkdirSync(place);
    await mustRun('tar', ['--zstd', '-xf', made.archive, '-C', place]);
    program = join(place, made.name, 'sealift');
  });

  afterAll(() => scratch[Symbol.dispose]());

  it('is one folder named after version and architecture, owned by root', async () => {
    expect(readdirSync(place)).toEqual([made.name]);
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(made.name).toBe(`sealift-${version}-linux-${process.arch === 'x64' ? 'amd64' : process.arch}`);
    const listing = (await mustRun('tar', ['--zstd', '--numeric-owner', '-tvf', made.archive])).toString();
    const entries = listing.trimEnd().split('\n');
    expect(entries.length).toBeGreaterThan(20);
    expect(entries.filter((entry) => !/^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x) 0\/0 /.test(entry))).toEqual([]);
  });

  it('has all that an installation needs, and nothing for development', () => {
    const files = [
      ...['LICENSE', 'LICENSES.md', 'README.md', 'docs/INSTALL.md', 'docs/errors.md', 'docs/SECURITY.md'],
      ...['config/sealift.toml', 'config/sealiftd.toml', 'config/policies/default-deny.json'],
      ...['config/policies/signed-only.json', 'config/policies/lab-accept-anything.json'],
      ...['config/systemd/sealiftd.service', 'config/kata/components.toml', 'lib/node', 'lib/worker.mjs'],
      ...['share/bash-completion/completions/sealift', 'share/zsh/vendor-completions/_sealift'],
      'share/fish/vendor_completions.d/sealift.fish',
    ];
    for (const file of files) expect(statSync(join(place, made.name, file)).isFile(), file).toBe(true);
    expect(readdirSync(join(place, made.name, 'config/udev'))).not.toEqual([]);
    expect(readdirSync(join(place, made.name, 'config'))).not.toContain('dev');
    for (const file of ['sealift', 'sealiftd', 'lib/node']) accessSync(join(place, made.name, file), constants.X_OK);
  });

  it('brings libisal where it is used, and its licence', async () => {
    const lib = join(place, made.name, 'lib');
    const isX64 = process.arch === 'x64';
    expect(readdirSync(lib).includes('libisal.so.2')).toBe(isX64);
    const licences = readFileSync(join(place, made.name, 'LICENSES.md'), 'utf8');
    expect(/^## libisal2 .*\n\n.*Intel Corporation/m.test(licences)).toBe(isX64);
    const { stdout } = await runCommand(program, ['doctor', '--json'], BARE);
    const check = JSON.parse(stdout.toString()).result.checks.find(({ name }: { name: string }) => name === 'inflate');
    expect(check.detail).toBe(
      isX64 ? `gzip is inflated by ISA-L, ${lib}/libisal.so.2` : expect.stringContaining('inflated by zlib: '),
    );
  });

  it('inflates with zlib if its user says so', async () => {
    const { stdout } = await runCommand(program, ['doctor', '--json'], {
      ...BARE,
      env: { SEALIFT_PULL_INFLATE: 'zlib' },
    });
    const { checks } = JSON.parse(stdout.toString()).result;
    const detail = 'gzip is inflated by zlib: the setting pull.inflate says so';
    expect(checks).toContainEqual(expect.objectContaining({ name: 'inflate', status: 'ok', detail }));
  });

  it('completes its own command line', async () => {
    const script = join(place, made.name, 'share/bash-completion/completions/sealift');
    const { stdout } = await runCommand(program, ['completion', 'bash'], BARE);
    expect(readFileSync(script)).toEqual(stdout);
    expect(stdout.toString()).toContain('complete -F _sealift sealift');
  });

  it('brings the licences of Node and of what is bundled', () => {
    const licences = readFileSync(join(place, made.name, 'LICENSES.md'), 'utf8');
    for (const name of ['undici', 'zod', 'pino', 'commander', 'smol-toml', 'node-linux-']) {
      expect(licences).toMatch(new RegExp(`^## ${name}`, 'm'));
    }
    // Node's own text names what it is made of.
    expect(licences).toMatch(/V8|OpenSSL/);
  });

  it('runs where it was unpacked, with no environment and in /', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(await runCommand(program, ['version'], BARE)).toEqual({
      code: 0,
      stdout: Buffer.from(`${version}\n`),
      stderr: '',
    });
    const daemon = join(place, made.name, 'sealiftd');
    expect(await runCommand(daemon, ['--version'], BARE)).toEqual({
      code: 0,
      stdout: Buffer.from(`sealiftd ${version}\n`),
      stderr: '',
    });
  });

  it('looks at the machine from there, through a link, with its workers', async () => {
    const link = scratch.join('linked');
    symlinkSync(join('odd place', made.name, 'sealift'), link);
    const { stdout } = await runCommand(link, ['doctor', '--json'], BARE);
    const { schema, result } = JSON.parse(stdout.toString());
    expect(schema).toBe(1);
    // This check calls node:ffi and opens files without a name. Its result proves that a worker was found.
    expect(result.checks).toContainEqual(expect.objectContaining({ name: 'system-calls', status: 'ok' }));
    expect(result.checks).toContainEqual(expect.objectContaining({ name: 'zlib', status: 'ok' }));
  });
});
