import { chmodSync, closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createCommandRunner, tryFlock } from '../../../src/platform/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';

describe('createCommandRunner', () => {
  const scratch = new Scratch('commands');
  let lockFd: number;

  beforeAll(() => {
    lockFd = openSync('/dev/null', 'r');
  });

  afterAll(() => {
    closeSync(lockFd);
    scratch[Symbol.dispose]();
  });

  const folder = () => scratch.path;

  function program(name: string, script: string): void {
    const path = `${folder()}/${name}`;
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  async function run(name: string, options: { parameters?: string[]; stdin?: Buffer; timeoutMs?: number } = {}) {
    const runner = createCommandRunner({ folders: [folder(), '/usr/bin', '/bin'] });
    const { parameters = [], timeoutMs = 600_000, ...rest } = options;
    return runner.start({ program: name, parameters, timeoutMs, lockFd, ...rest }).end;
  }

  it('gives a program its words and bytes as they are, and answers what it says', async () => {
    program('echoes', 'printf "[%s]" "$@"; cat; echo oops >&2; exit 3');
    const end = await run('echoes', { parameters: ['a b', '$(id)', '*'], stdin: Buffer.from('secret') });
    expect(end).toEqual({ kind: 'exited', code: 3, stdout: '[a b][$(id)][*]secret', stderr: 'oops\n' });
  });

  it('gives it no environment but a path and the C locale, and the root as its directory', async () => {
    program('shows', 'env | grep -v "^PWD=\\|^SHLVL=\\|^_="; pwd; [ -e /proc/self/fd/3 ] && echo locked');
    const end = await run('shows');
    const lines = end.kind === 'exited' ? end.stdout.trim().split('\n') : [];
    expect(lines.sort()).toEqual(['/', 'LC_ALL=C', `PATH=${folder()}:/usr/bin:/bin`, 'locked']);
  });

  it('gives it the environment that it was made with, and nothing of ours where there is no lock', async () => {
    program('looks', 'echo "$COLOUR"; [ "$(readlink /proc/self/fd/3)" = /dev/null ] && echo locked; exit 0');
    const environment = { PATH: '/usr/bin:/bin', COLOUR: 'blue' };
    const runner = createCommandRunner({ folders: [folder()], environment });
    const looks = { program: 'looks', parameters: [], timeoutMs: 600_000 };
    expect(await runner.start(looks).end).toMatchObject({ code: 0, stdout: 'blue\n' });
    // The program inherits a lock as its fourth descriptor.
    expect(await runner.start({ ...looks, lockFd }).end).toMatchObject({ code: 0, stdout: 'blue\nlocked\n' });
  });

  it('says where it has looked for a program that is not there, or that cannot be run', async () => {
    writeFileSync(`${folder()}/plain`, 'no program');
    const folders = [folder(), '/usr/bin', '/bin'];
    expect(await run('no-such-program')).toEqual({ kind: 'missing', folders });
    expect(await run('plain')).toEqual({ kind: 'missing', folders });
  });

  it('tells of a signal', async () => {
    program('dies', 'kill -TERM $$');
    expect(await run('dies')).toEqual({ kind: 'killed', signal: 'SIGTERM', stderr: '' });
  });

  it('ends a program that takes too long', async () => {
    program('waits', 'echo begun >&2; exec sleep 600');
    expect(await run('waits', { timeoutMs: 5_000 })).toEqual({ kind: 'timedOut', isStuck: false, stderr: 'begun\n' });
  });

  it('keeps the beginning of an endless output and lets the program end', async () => {
    program('talks', 'head -c 1000000 /dev/zero | tr "\\0" x; head -c 1000000 /dev/zero | tr "\\0" y >&2');
    const end = await run('talks');
    expect(end).toMatchObject({ kind: 'exited', code: 0 });
    const { stdout, stderr } = end.kind === 'exited' ? end : { stdout: '', stderr: '' };
    expect(stdout).toBe('x'.repeat(DEFAULT_LIMITS.maxProgramOutputBytes));
    expect(stderr).toBe('y'.repeat(DEFAULT_LIMITS.maxProgramOutputBytes));
  });

  it('keeps as much of it as it was told', async () => {
    program('talks', 'printf 0123456789; printf abcdefghij >&2');
    const commands = createCommandRunner({ folders: [folder()], maxOutputBytes: 4 });
    const { end } = commands.start({ program: 'talks', parameters: [], timeoutMs: 600_000 });
    expect(await end).toMatchObject({ kind: 'exited', stdout: '0123', stderr: 'abcd' });
  });

  it('bears a program that does not read its input', async () => {
    program('ignores', 'exec true');
    expect(await run('ignores', { stdin: Buffer.alloc(1_000_000) })).toMatchObject({ kind: 'exited', code: 0 });
  });

  it('lets the program hold the lock when we no longer do', async () => {
    const path = `${folder()}/lock`;
    const flags = constants.O_RDWR | constants.O_CREAT;
    const ours = openSync(path, flags);
    expect(tryFlock(ours, 'exclusive')).toBe(true);
    program('holds', 'echo $$ > "$1"; until [ -e "$2" ]; do sleep 0.05; done');
    const runner = createCommandRunner({ folders: [folder(), '/usr/bin', '/bin'] });
    const { end } = runner.start({
      program: 'holds',
      parameters: [`${folder()}/pid`, `${folder()}/go`],
      timeoutMs: 600_000,
      lockFd: ours,
    });
    closeSync(ours);
    const other = openSync(path, flags);
    expect(tryFlock(other, 'exclusive')).toBe(false);
    writeFileSync(`${folder()}/go`, '');
    expect(await end).toMatchObject({ kind: 'exited', code: 0 });
    expect(Number(readFileSync(`${folder()}/pid`, 'utf8'))).toBeGreaterThan(1);
    expect(tryFlock(other, 'exclusive')).toBe(true);
    closeSync(other);
  });
});
