import { spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatLauncher, NODE_VARIABLES, type Program } from '../../scripts/build-launcher.ts';
import { buildProgram } from '../../scripts/build-program.ts';
import { createDistribution, type Distribution } from '../../scripts/distribution/create-distribution.ts';
import { formatLicences } from '../../scripts/distribution/format-licences.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { IS_SOAK } from '../support/soak.ts';
import { PROJECT_ROOT } from './source-files.ts';

const scratch = new Scratch('build');

afterAll(() => scratch[Symbol.dispose]());

interface Build {
  readonly files: ReadonlyMap<string, string>;
  /** The folders of the packages that are bundled. */
  readonly packages: readonly string[];
}

async function build(folder: string): Promise<Build> {
  const { packages } = await buildProgram(PROJECT_ROOT, folder);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => /\.(mjs|js|cache)$/.test(name) || (!name.includes('/') && name !== 'lib'));
  return { files: new Map(files.sort().map((name) => [name, readFileSync(join(folder, name), 'latin1')])), packages };
}

describe('make build', () => {
  let files: Build['files'];
  let packages: Build['packages'];

  beforeAll(async () => {
    ({ files, packages } = await build(scratch.join('first')));
  });

  it('gives the same bytes twice, wherever it builds', async () => {
    const [first, second] = [files, (await build(scratch.join('second'))).files];
    expect([...first.keys()]).toEqual(
      expect.arrayContaining([
        ...['sealift', 'sealiftd'],
        ...['sealift', 'sealiftd', 'worker'].flatMap((name) => [
          `lib/${name}.mjs`,
          `lib/${name}.js`,
          `lib/${name}.cache`,
        ]),
      ]),
    );
    expect([...second.keys()]).toEqual([...first.keys()]);
    for (const [name, text] of first) {
      expect(second.get(name) === text, `${name} differs`).toBe(true);
      expect(text.includes(PROJECT_ROOT), `${name} contains the path of the checkout`).toBe(false);
    }
  });

  it('reads from Node’s modules the names that it uses, and not all names of a module', () => {
    // OpenPGP.js is shipped as its authors publish it.
    const ours = [...files].filter(([name]) => name !== 'lib/openpgp.min.mjs');
    const imports = ours.flatMap(([name, text]) =>
      [...text.matchAll(/\b(?:from|import) ?"(node:[^"]+)"/g)].map(([, module]) => `${name}: ${module}`),
    );
    expect(imports).toEqual([]);
    // Control: the modules are read.
    expect(files.get('lib/worker.js')?.includes('getBuiltinModule("node:fs")')).toBe(true);
  });

  it('keeps what a thread or a command does not need out of what it loads first', () => {
    const loaded = (entry: string) => {
      const seen = new Map<string, string>();
      const load = (name: string) => {
        const text = files.get(`lib/${name}`) ?? '';
        if (seen.has(name)) return;
        seen.set(name, text);
        for (const [, next = ''] of text.matchAll(/\b__load\("([^"]+)"/g)) load(next);
      };
      load(entry);
      return [...seen.values()].join('');
    };
    const one = (pattern: RegExp) => [...files.keys()].find((name) => pattern.test(name))?.slice('lib/'.length) ?? '';
    const zod = /ZodError/;
    const [operations, transport] = [one(/worker-operations-/), one(/worker-transport-/)];
    for (const entry of ['sealift.js', 'worker.js', operations, transport]) {
      expect(loaded(entry).length, entry).toBeGreaterThan(100_000);
      expect(zod.test(loaded(entry)), entry).toBe(false);
    }
    // Control: a pull reads documents.
    expect(zod.test(loaded(one(/sealift-cli-/)))).toBe(true);
    // The daemon opens its socket before it loads the schemas, the log, the services and what pulls need.
    const beforeSocket = loaded('sealiftd.js');
    expect(beforeSocket).toContain('MAX_BACKLOG');
    for (const later of [zod, /daemon ready/, /stdTimeFunctions/, /"api\.ImagePullService":/]) {
      expect(later.test(beforeSocket), String(later)).toBe(false);
    }
    expect(zod.test(loaded(one(/sealiftd-daemon-(?!service)/)))).toBe(true);
    expect(loaded('sealiftd.js').includes('pull stage')).toBe(false);
    expect(loaded(one(/sealiftd-daemon-service-/)).includes('pull stage')).toBe(true);
    // Few pulls look at signatures.
    const yaml = /UNEXPECTED_TOKEN|YAMLParseError/;
    expect(yaml.test(loaded(one(/sealift-cli-/)))).toBe(false);
    expect(yaml.test(loaded(one(/sealiftd-daemon-service-/)))).toBe(false);
    expect([...files.values()].some((text) => yaml.test(text))).toBe(true);
    // Few pulls need the key broker, and no start does.
    const broker = /ECDH-ES\+A256KW/;
    for (const entry of ['sealift.js', 'sealiftd.js', one(/sealift-cli-/), one(/sealiftd-daemon-service-/)]) {
      expect(broker.test(loaded(entry)), entry).toBe(false);
    }
    expect([...files.values()].some((text) => broker.test(text))).toBe(true);
    // OpenPGP.js is a file of its own, which a worker loads with the first signature.
    const naming = [...files].filter(([, text]) => text.includes('"openpgp.min.mjs"')).map(([name]) => name);
    expect(naming).toEqual([`lib/${one(/worker-checks-/)}`]);
    const published = readFileSync(join(PROJECT_ROOT, 'node_modules/openpgp/dist/node/openpgp.min.mjs'), 'utf8');
    expect(files.get('lib/openpgp.min.mjs') === published).toBe(true);
    // undici's second HTTP parser.
    expect(loaded(transport).includes('milo/simd.js')).toBe(false);
  });

  it('loads what only some starts need later: encryption, programs, threads, system calls', () => {
    for (const module of ['crypto', 'child_process', 'ffi', 'v8', 'worker_threads']) {
      for (const [name, text] of files) {
        if (!/^lib\/sealiftd?.*\.js$/.test(name)) continue;
        expect(text.includes(`}=globalThis.process.getBuiltinModule("node:${module}");`), `${name} ${module}`).toBe(
          false,
        );
      }
    }
    // What a module that is imported as a whole is used for is there.
    const ffi = [...files].filter(
      ([name, text]) => /^lib\/sealiftd?[.-].*js$/.test(name) && text.includes('ffi.getInt32('),
    );
    expect(ffi.length).toBeGreaterThan(0);
    for (const [name, text] of ffi) expect(text.includes('getInt32:(...args)=>'), name).toBe(true);
    // Control: a worker loads them at once.
    const worker = [...files].filter(([name]) => /^lib\/worker.*\.js$/.test(name)).map(([, text]) => text);
    expect(worker.join().includes('}=globalThis.process.getBuiltinModule("node:crypto");')).toBe(true);
  });

  it('names every package that it bundles, and Node', () => {
    const names = packages.map((folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name);
    const { dependencies } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8'));
    const bundled = ['commander', 'pino', 'smol-toml', 'undici', 'zod'];
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(bundled));
    expect(names).toEqual(expect.arrayContaining([...bundled, expect.stringMatching(/^node-linux-/)]));
  });
});

describe('make dist', () => {
  const make = (folder: string, seconds: number): Promise<Distribution> =>
    createDistribution({
      root: PROJECT_ROOT,
      output: scratch.join(folder),
      compressionLevel: 1,
      modificationTime: new Date(seconds * 1000),
    });

  it('gives the same bytes twice, wherever and under whichever umask it builds', async () => {
    const first = await make('here', 0);
    const umask = process.umask(0o077);
    const second = await make('there', 0).finally(() => process.umask(umask));
    expect(second.name).toBe(first.name);
    expect(second.sha256).toBe(first.sha256);
    // Control of the long run, which takes another build: what is compared does depend on what went in.
    if (IS_SOAK) expect((await make('later', 1)).sha256).not.toBe(first.sha256);
    expect(readdirSync(scratch.join('here'))).toEqual([`${first.name}.tar.zst`]);
  });

  it('ships no package without the text of its licence', () => {
    const folder = scratch.join('package');
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{"name":"foreign","version":"1.2.3","license":"MIT"}');
    expect(() => formatLicences([folder])).toThrow(/no licence text/);
    writeFileSync(join(folder, 'LICENSE.md'), 'Be kind.\r\n\r\n# Amen\n');
    expect(formatLicences([folder])).toContain('| foreign 1.2.3 | MIT |');
    expect(formatLicences([folder])).toContain('\n    Be kind.\n\n    # Amen\n');
  });
});

describe('the launcher', () => {
  const folder = scratch.join('odd place');
  const launcher = join(folder, 'probe');
  // This module runs before the program's own.
  const hostile = { NODE_OPTIONS: '--import=data:text/javascript,process.env.TAKEN=1', SSL_CERT_FILE: '/host.pem' };

  beforeAll(() => {
    mkdirSync(join(folder, 'lib'), { recursive: true });
    linkOrCopyNode(join(folder, 'lib/node'));
    const answer = '{ env: process.env, args: process.argv.slice(2), flags: process.execArgv, pid: process.pid }';
    writeFileSync(join(folder, 'lib/probe.mjs'), `console.log(JSON.stringify(${answer}));`);
  });

  function write(environment: Program['environment']): void {
    writeFileSync(launcher, formatLauncher({ name: 'probe', environment }));
    chmodSync(launcher, 0o755);
  }

  function run(command: string, parameters: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = '/') {
    const { status, stdout, stderr, pid } = spawnSync(command, parameters, { env, cwd, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return { ...JSON.parse(stdout), spawnedPid: pid };
  }

  it('passes arguments on and becomes Node itself, whose process a supervisor watches', () => {
    write('measured');
    const { args, pid, spawnedPid, env } = run(launcher, ['-c', 'a file', '', '$HOME']);
    expect(args).toEqual(['-c', 'a file', '', '$HOME']);
    expect(pid).toBe(spawnedPid);
    expect(env.MALLOC_ARENA_MAX).toBe('1');
  });

  it('finds its files as a link elsewhere, by a relative path, and given to a shell', () => {
    write('measured');
    const link = scratch.join('confidential-data-hub');
    symlinkSync('odd place/probe', link);
    for (const [command, parameters, cwd] of [
      [link, [], '/'],
      ['./odd place/probe', [], scratch.path],
      ['/bin/sh', ['probe'], folder],
      ['/bin/sh', ['confidential-data-hub'], scratch.path],
    ] as const) {
      expect(run(command, parameters, {}, cwd).flags).toContain('--max-semi-space-size=1');
    }
  });

  it('gives a program with an unmeasured environment nothing that steers Node', () => {
    write('unmeasured');
    const { env } = run(launcher, [], { ...hostile, HTTPS_PROXY: 'http://proxy' });
    expect(env).not.toHaveProperty('TAKEN');
    expect(Object.keys(env).filter((name) => NODE_VARIABLES.some((variable) => variable === name))).toEqual([]);
    expect(env.HTTPS_PROXY).toBe('http://proxy');
  });

  it('takes no functions from there either, where the shell is bash', () => {
    const env = { 'BASH_FUNC_test%%': '() { echo taken; }', 'BASH_FUNC_readlink%%': '() { echo taken; }' };
    const start = () => spawnSync('/bin/bash', [launcher], { argv0: 'sh', env, encoding: 'utf8' }).stdout;
    write('measured');
    expect(start()).toMatch(/^taken\n/);
    write('unmeasured');
    expect(JSON.parse(start()).args).toEqual([]);
  });

  it('is that of the daemon', async () => {
    await buildProgram(PROJECT_ROOT, scratch.join('daemon'));
    const greeting = { NODE_OPTIONS: `--import=data:text/javascript,console.log('taken')` };
    const start = (name: string, parameter: string) =>
      spawnSync(scratch.join('daemon', name), [parameter], { env: greeting, encoding: 'utf8' }).stdout;
    expect(start('sealiftd', '--version')).toMatch(/^sealiftd [0-9.]+\n$/);
    expect(start('sealift', 'version')).toMatch(/^taken\n[0-9.]+\n$/);
  });

  it('leaves the environment of its user alone', () => {
    write('measured');
    expect(run(launcher, [], hostile).env).toMatchObject({ ...hostile, TAKEN: '1' });
  });

  it('knows every variable that this Node names', () => {
    const help = spawnSync(process.execPath, ['--help'], { encoding: 'utf8' }).stdout;
    const section = help.slice(help.indexOf('Environment variables:'));
    const named = [...section.matchAll(/^([A-Z][A-Z0-9_]+)(?=\s)/gm)].map((match) => match[1]);
    const harmless = ['FORCE_COLOR', 'NO_COLOR', 'NODE_DISABLE_COLORS', 'TZ'];
    expect(named).toEqual(expect.arrayContaining(['NODE_EXTRA_CA_CERTS', 'NODE_PATH', 'UV_THREADPOOL_SIZE']));
    expect(named.filter((name) => ![...harmless, ...NODE_VARIABLES].some((known) => known === name))).toEqual([]);
  });
});

describe('the systemd unit', () => {
  const unit = readFileSync(join(PROJECT_ROOT, 'config/systemd/sealiftd.service'), 'utf8');
  const directives = [...unit.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map((match) => match[1]);

  // https://www.freedesktop.org/software/systemd/man/systemd.exec.html#Sandboxing
  it('sets nothing that hides mounts from containers', () => {
    const ownNamespace =
      /^(Private(Devices|Mounts|Tmp|Users)|Protect(?!Hostname)|ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|ExecPaths|NoExecPaths|Bind|TemporaryFileSystem|Root(Directory|Image)|DynamicUser|MountAPIVFS|MountFlags|MountImages|ExtensionImages|(Runtime|State|Cache)Directory)/;
    expect(directives).toContain('ExecStart');
    expect('ProtectSystem').toMatch(ownNamespace);
    expect(directives.filter((directive) => ownNamespace.test(directive ?? ''))).toEqual([]);
  });

  it('is as hard to kill as the agent, and there before it', () => {
    for (const line of ['OOMScoreAdjust=-997', 'Before=kata-agent.service', 'WantedBy=kata-agent.service']) {
      expect(unit.split('\n')).toContain(line);
    }
  });
});

function linkOrCopyNode(target: string): void {
  try {
    linkSync(process.execPath, target);
  } catch {
    writeFileSync(target, readFileSync(process.execPath), { mode: 0o755 });
  }
}
