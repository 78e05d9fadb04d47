import { describe, expect, it } from 'vitest';
import { formatImages } from '../../../src/cli/commands/images.ts';
import type { DoctorReport } from '../../../src/doctor/index.ts';
import { CODES, type ErrorCode, KINDS, SealiftError } from '../../../src/errors/index.ts';
import {
  type CliBench,
  DIGEST,
  DOCTOR_REPORT,
  IMAGE,
  PULL_RESULT,
  RAW_MANIFEST,
  REMOVAL,
  runBench,
} from './cli-bench.ts';

const REF = 'registry.example/app:1';

interface Document {
  readonly schema: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly causes: readonly string[] };
}

function documentOf(bench: CliBench): Document {
  const text = bench.stdout.toString();
  expect(text.endsWith('\n')).toBe(true);
  expect(text.trimEnd()).not.toContain('\n');
  return JSON.parse(text);
}

const common = { settings: {}, configFile: undefined, debug: false };

describe('what the commands are called with', () => {
  it.each<[string[], string, object]>([
    [['pull', REF], 'pull', { reference: REF, target: { kind: 'store' }, credentials: undefined, ...common }],
    [['pull', '--bundle', 'b', REF], 'pull', { target: { kind: 'bundle', directory: '/cwd/b' } }],
    [['pull', REF, '--unpack=/abs/'], 'pull', { target: { kind: 'unpack', directory: '/abs' } }],
    [['pull', '--store', 's', REF], 'pull', { settings: { 'store.root': '/cwd/s' } }],
    [['pull', '--platform', 'linux/arm/v7', REF], 'pull', { settings: { 'pull.platform': 'linux/arm/v7' } }],
    [['pull', '--authfile', '../a', REF], 'pull', { settings: { 'pull.authfile': '/a' } }],
    [['pull', '--registries-conf', 'r', REF], 'pull', { settings: { 'pull.registries_conf': '/cwd/r' } }],
    [['pull', '--registries.d', 'r', REF], 'pull', { settings: { 'pull.registries_d': '/cwd/r' } }],
    [['pull', '--registries-conf-d', '/d/', REF], 'pull', { settings: { 'pull.registries_conf_d': '/d' } }],
    [['pull', '--cert-dir', 'certs', REF], 'pull', { certDir: '/cwd/certs', settings: {} }],
    [['inspect', '--cert-dir', 'certs', REF], 'inspect', { certDir: '/cwd/certs' }],
    [['pull', '--creds', 'u:p:q', REF], 'pull', { credentials: { username: 'u', password: 'p:q' } }],
    [['pull', '--tls-verify=false', REF], 'pull', { settings: { 'pull.tls_verify': false } }],
    [['pull', '--tls-verify=1', REF], 'pull', { settings: { 'pull.tls_verify': true } }],
    [['pull', '--tls-verify', REF], 'pull', { reference: REF, settings: { 'pull.tls_verify': true } }],
    [['pull', REF], 'pull', { settings: {} }],
    [['pull', '--policy', 'p.json', REF], 'pull', { settings: { 'pull.policy': '/cwd/p.json' } }],
    [['pull', '--foreign-layers', REF], 'pull', { settings: { 'pull.foreign_layer_urls': true } }],
    [['pull', '--insecure-policy', REF], 'pull', { settings: { 'pull.insecure_policy': true } }],
    [['pull', '-c', 'x.toml', REF], 'pull', { configFile: '/cwd/x.toml' }],
    [['pull', '--debug', REF], 'pull', { debug: true, settings: { 'log.level': 'debug' } }],
    [['pull', '--', '--tls-verify'], 'pull', { reference: '--tls-verify', settings: {} }],
    [['inspect', REF], 'inspect', { reference: REF, view: 'summary', credentials: undefined, ...common }],
    [['inspect', '--config', REF], 'inspect', { view: 'config', configFile: undefined }],
    [['inspect', '--raw', REF], 'inspect', { view: 'raw' }],
    [['inspect', '-c', 'x', '--config', '--creds=u:p', REF], 'inspect', { configFile: '/cwd/x', view: 'config' }],
    [['verify', '--policy', 'p', REF], 'verify', { reference: REF, settings: { 'pull.policy': '/cwd/p' } }],
    [['verify', '--registries.d', 'r', REF], 'verify', { settings: { 'pull.registries_d': '/cwd/r' } }],
    [
      ['verify', '--creds=u:p', '--cert-dir', 'd', REF],
      'verify',
      { certDir: '/cwd/d', credentials: { username: 'u' } },
    ],
    [['verify', 'oci:layout'], 'verify', { reference: 'oci:/cwd/layout', configFile: undefined }],
    [['umount', './b/'], 'umount', { directory: '/cwd/b', ...common }],
    [['umount', '--store', '/s', 'b'], 'umount', { settings: { 'store.root': '/s' } }],
    [
      ['images', '--store', 's'],
      'images',
      { settings: { 'store.root': '/cwd/s' }, configFile: undefined, debug: false },
    ],
    [['rm', REF, 'b', '--debug'], 'rm', { targets: [REF, 'b'], debug: true }],
    [['prune'], 'prune', { all: false, ...common }],
    [['prune', '--all'], 'prune', { all: true, ofDaemon: false }],
    [['images', '--daemon'], 'images', { ofDaemon: true, configFile: undefined }],
    [['rm', '--daemon', REF], 'rm', { targets: [REF], ofDaemon: true }],
    [['prune', '--daemon', '-c', 'x'], 'prune', { ofDaemon: true, configFile: '/cwd/x' }],
    [['doctor', '--store', 's'], 'doctor', { ...common, ofDaemon: false, settings: { 'store.root': '/cwd/s' } }],
    [['doctor', '--daemon', '-c', 'cdh.toml'], 'doctor', { ofDaemon: true, configFile: '/cwd/cdh.toml', images: [] }],
    [['doctor', REF, 'docker://b'], 'doctor', { images: [REF, 'docker://b'], ofDaemon: false, certDir: undefined }],
    [
      ['doctor', '--cert-dir', 'd', '--authfile', 'a', '--tls-verify=false', REF],
      'doctor',
      { certDir: '/cwd/d', settings: { 'pull.authfile': '/cwd/a', 'pull.tls_verify': false } },
    ],
  ])('%j', async (argv, command, options) => {
    const bench = await runBench(argv);
    expect(bench).toMatchObject({ exitCode: 0, calls: [{ command, options }] });
  });
});

describe('a wrong command line', () => {
  const wrong = [
    [],
    ['frobnicate'],
    ['pull'],
    ['inspect'],
    ['umount'],
    ['verify'],
    ['verify', '--insecure-policy', REF],
    ['verify', '--bundle', 'b', REF],
    ['verify', REF, 'second'],
    ['policy'],
    ['policy', 'check'],
    ['policy', 'check', ''],
    ['policy', 'check', '--policy', 'p', 'f'],
    ['policy', 'check', 'f', 'ostree:/x'],
    ['pull', REF, 'second'],
    ['pull', '--bundle', 'a', '--unpack', 'b', REF],
    ['pull', '--store', 'a', '--unpack', 'b', REF],
    ['pull', '--policy', 'p', '--insecure-policy', REF],
    ['inspect', '--policy', 'p', '--insecure-policy', REF],
    ['inspect', '--raw', '--config', REF],
    ['inspect', '--bundle', 'a', REF],
    ['pull', '--raw', REF],
    ['pull', '--unknown', REF],
    ['pull', '--tls-verify=maybe', REF],
    ['pull', '--tls-verify=', REF],
    ['pull', '--bundle', '', REF],
    ['pull', REF, '--bundle'],
    ['pull', '--creds', 'nobody', REF],
    ['pull', '--creds', ':password', REF],
    ['pull', '--creds', 'user:', REF],
    ['umount', ''],
    ['pull', '--policy', '--insecure-policy', REF],
    ['pull', REF, '--creds', '--quiet'],
    ['inspect', '-c', '--raw', REF],
    ['umount', '--store', '--quiet', 'b'],
    ['rm'],
    ['rm', '--all', REF],
    ['images', REF],
    ['prune', REF],
    ['prune', '--store', '--all'],
    ['doctor', '--daemon', '--store', 's'],
    ['doctor', '--daemon', '--tls-verify=false', REF],
    ['completion'],
    ['completion', 'tcsh'],
    ['completion', 'bash', 'zsh'],
    ['doctor', '--daemon', '--authfile', 'a'],
    ['doctor', '--creds', 'u:p', REF],
    ['doctor', 'oci:layout'],
    ['doctor', 'ostree:/x'],
    ['prune', '--store', 's', '--daemon'],
  ];

  it.each(wrong.map((argv) => [argv]))('%j exits with 2 and calls nothing', async (argv) => {
    const bench = await runBench(argv);
    expect(bench.exitCode).toBe(2);
    expect(bench.calls).toEqual([]);
    expect(bench.stdout.toString()).toBe('');
    expect(bench.stderr).toMatch(/^error: [^\n]+\n {2}hint: [^\n]+\n {2}code: USAGE\n$/);
  });

  it.each([...wrong, ['inspect', '--raw', REF]].map((argv) => [argv]))(
    '%j with --json answers one document',
    async (argv) => {
      const bench = await runBench([...argv, '--json']);
      expect(bench.exitCode).toBe(2);
      expect(documentOf(bench)).toMatchObject({ schema: 1, error: { code: 'USAGE', kind: 'invalid', causes: [] } });
      expect(bench.stderr).toBe('');
    },
  );

  it.each([
    ['pull', '--creds', 'hunter2', REF],
    ['pull', '--creds', ':hunter2', REF],
    ['pull', '--creds', 'user:hunter2', '--policy', 'a', '--insecure-policy', REF],
    ['pull', '--cred=user:hunter2', REF],
    ['pull', '--creds=user:hunter2', REF, 'second'],
    ['pull', '--creds', 'user', 'user:hunter2', REF],
    ['umount', '--creds=user:hunter2', 'b'],
  ])('does not repeat a password: %j %j %j', async (...argv) => {
    for (const extra of [[], ['--json']]) {
      const bench = await runBench([...argv, ...extra]);
      expect(bench.exitCode).toBe(2);
      expect(bench.stdout.toString() + bench.stderr).not.toContain('hunter2');
    }
  });
});

describe('--creds with a user only', () => {
  const argv = ['pull', '--creds', 'user', REF];

  it('asks for the password where there is a terminal', async () => {
    const prompts: string[] = [];
    const askPassword = async (prompt: string) => {
      prompts.push(prompt);
      return 'hunter2';
    };
    const bench = await runBench(argv, { askPassword });
    expect(prompts).toEqual(['Password for user: ']);
    expect(bench.calls).toMatchObject([{ options: { credentials: { username: 'user', password: 'hunter2' } } }]);
  });

  it('refuses an empty answer', async () => {
    const bench = await runBench(argv, { askPassword: async () => '' });
    expect(bench).toMatchObject({ exitCode: 2, calls: [] });
  });

  it('ends when a signal comes while it waits for the password', async () => {
    const prompts: string[] = [];
    const bench = await runBench([...argv, '--json'], {
      signal: (deliver) => queueMicrotask(() => deliver('SIGTERM')),
      askPassword: (prompt, signal) => {
        prompts.push(prompt);
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
      },
    });
    expect(prompts).toHaveLength(1);
    expect(bench).toMatchObject({ exitCode: 143, calls: [] });
    expect(documentOf(bench).error).toMatchObject({ code: 'PULL_CANCELLED' });
  });

  it('ends as by SIGINT when interrupted', async () => {
    const bench = await runBench([...argv, '--json'], { askPassword: async () => undefined });
    expect(bench).toMatchObject({ exitCode: 130, calls: [] });
    expect(documentOf(bench).error?.code).toBe('PULL_CANCELLED');
  });
});

describe('standard output', () => {
  it('has the digest of a pulled image, and remarks stand on standard error', async () => {
    const bench = await runBench(['pull', '--bundle', 'b', REF]);
    expect(bench.stdout.toString()).toBe(`${DIGEST}\n`);
    expect(bench.stderr).toBe(`registry.example/app@${DIGEST}\n2 layers, 1 fetched (1.5 MB), 1.2 s; bundle /cwd/b\n`);
  });

  it('has the digest only, with --quiet', async () => {
    const bench = await runBench(['pull', '--quiet', REF], { terminal: true });
    expect([bench.stdout.toString(), bench.stderr]).toEqual([`${DIGEST}\n`, '']);
  });

  it.each([[], ['--quiet']])('stays clean of warnings, which stand once on standard error (%s)', async (...flags) => {
    const bench = await runBench(['pull', ...flags, REF], {
      command: async ({ onProgress }) => {
        onProgress({ type: 'warning', message: 'told at once' });
        return { ...PULL_RESULT, warnings: ['told at once', 'told at the end'] };
      },
    });
    expect(bench.stdout.toString()).toBe(`${DIGEST}\n`);
    expect(bench.stderr.match(/^warning: .*$/gm)).toEqual(['warning: told at once', 'warning: told at the end']);
  });

  it('has the manifest byte for byte with inspect --raw', async () => {
    const bench = await runBench(['inspect', '--raw', REF]);
    expect(bench.stdout.equals(RAW_MANIFEST)).toBe(true);
    expect(bench.stderr).toBe('');
  });

  it.each([['--config'], []])('has indented JSON with inspect %s, which cannot drive a terminal', async (...flags) => {
    const { stdout } = await runBench(['inspect', ...flags, REF]);
    expect(stdout.toString()).toMatch(/^\{\n {2}"/);
    expect(stdout.toString()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(() => JSON.parse(stdout.toString())).not.toThrow();
  });

  it('stays empty for umount', async () => {
    const bench = await runBench(['umount', 'b']);
    expect([bench.stdout.toString(), bench.stderr]).toEqual(['', 'unmounted /cwd/b\n']);
  });

  it('has a table of the images', async () => {
    const bench = await runBench(['images']);
    expect(bench.stdout.toString()).toBe(formatImages([IMAGE]));
    expect(bench.stderr).toBe('');
  });

  it.each(['rm', 'prune'])('has names and digests of what %s removed, and remarks say the rest', async (command) => {
    const bench = await runBench(command === 'rm' ? ['rm', REF] : ['prune']);
    expect(bench.stdout.toString()).toBe(`registry.example/app:1\n${DIGEST}\n`);
    expect(bench.stderr).toBe('removed 1 name, 1 image, 0 layers, 1 writable layer; 1.5 MB freed\n');
  });

  it('has the version', async () => {
    for (const words of [['version'], ['--version'], ['-v']]) {
      expect((await runBench(words)).stdout.toString()).toBe('1.2.3\n');
    }
  });

  it.each([['--help'], ['pull', '--help'], ['inspect', '-h'], ['umount', '--help'], ['help', 'pull']])(
    'has the help that was asked for: %s %s',
    async (...argv) => {
      const bench = await runBench(argv);
      expect(bench.exitCode).toBe(0);
      expect(bench.stdout.toString()).toContain('Usage: sealift');
      expect(bench.calls).toEqual([]);
    },
  );

  it.each(['pull', 'inspect', 'umount', 'images', 'rm', 'prune', 'doctor', 'completion'])(
    'has examples in the help of %s',
    async (command) => {
      const { stdout } = await runBench([command, '--help']);
      expect(stdout.toString()).toMatch(new RegExp(`Examples:[^]*\\n  sealift ${command} `));
    },
  );
});

describe('--json', () => {
  it.each<[string[], unknown]>([
    [['pull', REF], JSON.parse(JSON.stringify(PULL_RESULT))],
    [['inspect', REF], expect.objectContaining({ manifestDigest: DIGEST })],
    [['inspect', '--config', REF], expect.objectContaining({ os: 'linux' })],
    [['umount', 'b'], { directory: '/cwd/b', wasMounted: true }],
    [['doctor'], JSON.parse(JSON.stringify(DOCTOR_REPORT))],
    [['images'], { images: [IMAGE] }],
    [['rm', REF], REMOVAL],
    [['prune'], REMOVAL],
    [['version'], { version: '1.2.3' }],
    [['--version'], { version: '1.2.3' }],
    [['completion', 'bash'], { script: expect.stringContaining('complete -F _sealift sealift') }],
  ])('%j answers one document with the result', async (argv, result) => {
    const bench = await runBench([...argv, '--json']);
    expect(documentOf(bench)).toEqual({ schema: 1, result });
    expect(bench.stderr).toBe('');
    expect(bench.exitCode).toBe(0);
  });

  it('answers one document for help', async () => {
    const document = documentOf(await runBench(['pull', '--json', '--help']));
    expect(document.result).toMatchObject({ help: expect.stringContaining('Usage:') });
  });

  it('behind -- is no flag', async () => {
    const bench = await runBench(['pull', '--', '--json', 'x']);
    expect(bench.stdout.toString()).toBe('');
    expect(bench.exitCode).toBe(2);
  });

  it('keeps bars on the terminal and the document alone on standard output', async () => {
    const bench = await runBench(['pull', '--json', REF], {
      terminal: true,
      command: async ({ onProgress }) => {
        onProgress({ type: 'layer', digest: DIGEST, state: 'fetching', bytes: 1, total: 2 });
        return PULL_RESULT;
      },
    });
    expect(documentOf(bench).schema).toBe(1);
    expect(bench.stderr).toContain('abababababab');
  });
});

describe('a failing command', () => {
  const fail = (error: unknown) => ({
    command: async () => {
      throw error;
    },
  });

  const oneCodePerKind = new Map(Object.entries(CODES).map(([code, { kind }]) => [kind, code as ErrorCode]));

  it.each([...oneCodePerKind])('exits as its kind %s says (%s)', async (kind, code) => {
    const bench = await runBench(['pull', REF], fail(new SealiftError(code, 'pull x: went wrong')));
    expect(bench.exitCode).toBe(KINDS[kind].exitCode);
    expect(bench.stdout.toString()).toBe('');
  });

  it('prints message, causes, hint and code for people', async () => {
    const cause = new Error('the first', { cause: new Error('the second') });
    const error = new SealiftError('BLOB_DIGEST_MISMATCH', 'pull x: went wrong', { cause, hint: 'do this' });
    expect((await runBench(['pull', REF], fail(error))).stderr).toBe(
      'error: pull x: went wrong\n  cause: the first\n  cause: the second\n  hint: do this\n  code: BLOB_DIGEST_MISMATCH\n',
    );
  });

  it('prints all of it as one document with --json', async () => {
    const cause = new Error('the first');
    const error = new SealiftError('BLOB_DIGEST_MISMATCH', 'wrong', { cause, hint: 'do', context: { layer: 3 } });
    const bench = await runBench(['pull', '--json', REF], fail(error));
    expect(documentOf(bench)).toEqual({
      schema: 1,
      error: {
        code: 'BLOB_DIGEST_MISMATCH',
        kind: 'corrupt',
        message: 'wrong',
        hint: 'do',
        context: { layer: 3 },
        causes: ['the first'],
      },
    });
    expect(bench.stderr).toBe('');
  });

  it('answers INTERNAL for what is no error of ours', async () => {
    const bench = await runBench(['pull', '--json', REF], fail(new TypeError('x is not a function')));
    expect(documentOf(bench).error?.code).toBe('INTERNAL');
    expect(bench.exitCode).toBe(70);
  });
});

describe('doctor', () => {
  const failing: DoctorReport = {
    checks: [
      ...DOCTOR_REPORT.checks,
      { group: 'daemon', name: 'overlayfs', status: 'fail', detail: 'none', remedy: 'load it' },
    ],
    layerFormat: undefined,
  };

  it('lists the checks, with what to do below, and cannot drive a terminal', async () => {
    const bench = await runBench(['doctor']);
    const text = bench.stdout.toString();
    expect(text).toContain('machine\n  ok       kernel                6.12.0\nstore\n');
    expect(text).toMatch(/^ {2}warn {5}erofs {17}unknown filesystem .*\n {33}→ load erofs\nnetwork\n/m);
    expect(text).toContain('  ok       registry              app.io: https\n');
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect([bench.stderr, bench.exitCode]).toEqual(['', 0]);
  });

  it.each([[], ['--json']])('exits with 5 when a check fails, beside the report (%s)', async (...flags) => {
    const bench = await runBench(['doctor', ...flags], { report: failing });
    expect(bench.exitCode).toBe(KINDS.unsupported.exitCode);
    expect(bench.stdout.toString()).toContain('overlayfs');
  });
});

describe('signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s aborts the command, waits for its cleaning up and exits with %i', async (signal, exitCode) => {
    let deliver: (signal: 'SIGINT' | 'SIGTERM') => void = () => undefined;
    let cleanedUp = false;
    const bench = await runBench(['pull', '--json', REF], {
      signal: (listener) => {
        deliver = listener;
      },
      command: async (io) => {
        const aborted = new Promise((_, reject) => {
          io.signal.addEventListener('abort', () => reject(io.signal.reason));
        });
        deliver(signal);
        await aborted.finally(() => {
          cleanedUp = true;
        });
        return PULL_RESULT;
      },
    });
    expect(cleanedUp).toBe(true);
    expect(bench.exitCode).toBe(exitCode);
    const { hint } = CODES.PULL_CANCELLED;
    expect(documentOf(bench).error).toMatchObject({ code: 'PULL_CANCELLED', message: `cancelled by ${signal}`, hint });
  });

  it.each([['images'], ['doctor', REF], ['store', 'status']])(
    '%s says to run it again, and not to pull',
    async (...argv) => {
      let deliver: (signal: 'SIGINT' | 'SIGTERM') => void = () => undefined;
      const run = (...flags: string[]) =>
        runBench([...argv, ...flags], {
          signal: (listener) => {
            deliver = listener;
          },
          during: () => deliver('SIGINT'),
        });
      const bench = await run();
      expect(bench.exitCode).toBe(130);
      expect(bench.stderr).toBe('error: cancelled by SIGINT\n  hint: run the command again\n  code: PULL_CANCELLED\n');
      expect(documentOf(await run('--json')).error).toMatchObject({ hint: 'run the command again' });
    },
  );

  it('a command that was done in spite of it has succeeded', async () => {
    let deliver: (signal: 'SIGINT' | 'SIGTERM') => void = () => undefined;
    const bench = await runBench(['pull', '--json', REF], {
      signal: (listener) => {
        deliver = listener;
      },
      command: async () => {
        deliver('SIGINT');
        return PULL_RESULT;
      },
    });
    expect(bench.exitCode).toBe(0);
    expect(documentOf(bench).result).toBeDefined();
  });
});
