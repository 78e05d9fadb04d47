import { describe, expect, it } from 'vitest';
import { DIGEST, runBench } from './cli-bench.ts';

const ASK = ['pull', 'registry.example/app:1', '--socket', 'unix:///run/cdh.sock'];

describe('sealift pull --socket', () => {
  it('asks the daemon for the image in that bundle, and prints the digest that it answers', async () => {
    const { exitCode, stdout, calls } = await runBench([...ASK, '--bundle', 'b']);
    const options = { reference: 'registry.example/app:1', socketPath: '/run/cdh.sock', bundle: '/cwd/b' };
    expect(calls).toEqual([{ command: 'pull --socket', options }]);
    expect([exitCode, stdout.toString()]).toEqual([0, `${DIGEST}\n`]);
  });

  it('wants a bundle', async () => {
    const { exitCode, stderr, calls } = await runBench(ASK);
    expect([exitCode, calls]).toEqual([2, []]);
    expect(stderr).toContain('--bundle DIR');
  });

  it.each([
    ['--unpack', 'tree'],
    ['--store', 'dir'],
    ['--platform', 'linux/amd64'],
    ['--authfile', 'file'],
    ['--creds', 'user:seaworthy'],
    ['--tls-verify=false'],
    ['--policy', 'policy.json'],
    ['--insecure-policy'],
  ])('leaves %s to the daemon', async (...flags) => {
    const { exitCode, calls, stderr } = await runBench([...ASK, '--bundle', 'b', ...flags]);
    expect([exitCode, calls]).toEqual([2, []]);
    expect(stderr).not.toContain('seaworthy');
  });
});
