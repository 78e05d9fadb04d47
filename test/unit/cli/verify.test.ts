import { describe, expect, it } from 'vitest';
import { KINDS } from '../../../src/errors/index.ts';
import type { VerifyResult } from '../../../src/pull/index.ts';
import { DIGEST, POLICY_CHECK, runBench, VERIFY_RESULT } from './cli-bench.ts';

const REF = 'registry.example/app:1';

function refused(kind: Exclude<VerifyResult['verdict'], 'accepted'>): VerifyResult {
  const error = { code: 'POLICY_DENIED', kind, message: 'no', hint: 'sign the image' } as const;
  return { ...VERIFY_RESULT, verdict: kind, basis: undefined, error };
}

describe('sealift verify', () => {
  it('prints the verdict, each requirement and each signature, and drives no terminal', async () => {
    const { exitCode, stdout, stderr } = await runBench(['verify', REF]);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toBe(
      [
        `registry.example/app@${DIGEST}`,
        'scope "registry.example": accepted',
        '  accepted    signedBy, keyPath /keys/team.gpg',
        '    refused     simple-signing https://sigs.example/app/signature-1',
        '      it names key AB  [2J',
        '      → add this public key',
        '    accepted    simple-signing https://sigs.example/app/signature-2',
        '      by openpgp, fingerprint ABCD, signed at 2026-02-01T00:00:00.000Z',
        '      for registry.example/app:1',
        '    not-checked simple-signing https://sigs.example/app/signature-3',
        '  accepted    insecureAcceptAnything',
        '',
      ].join('\n'),
    );
    expect(stderr).toBe('warning: https://down.example could not be read: got 503\n');
  });

  it('says what to do about a refusal, and what could not be read', async () => {
    const { stdout } = await runBench(['verify', REF], { verified: refused('denied') });
    expect(stdout.toString()).toMatch(/^scope "registry\.example": denied$/m);
    expect(stdout.toString().split('\n').slice(-4)).toEqual([
      '  could not be read: https://down.example: HTTP_UNAVAILABLE: got 503',
      '→ sign the image',
      '  code: POLICY_DENIED',
      '',
    ]);
  });

  it.each(['denied', 'unsupported', 'unavailable', 'exhausted'] as const)('ends with the code of %s', async (kind) => {
    for (const flags of [[], ['--json'], ['--quiet']]) {
      const { exitCode } = await runBench(['verify', ...flags, REF], { verified: refused(kind) });
      expect(exitCode).toBe(KINDS[kind].exitCode);
    }
  });

  it('prints the same facts as one document with --json', async () => {
    const { stdout, stderr } = await runBench(['verify', '--json', REF]);
    expect(JSON.parse(stdout.toString())).toEqual({ schema: 1, result: JSON.parse(JSON.stringify(VERIFY_RESULT)) });
    expect(stderr).toBe('');
  });

  it('warns of a policy that accepts without a signature', async () => {
    const { stderr, exitCode } = await runBench(['verify', REF], { verified: { ...VERIFY_RESULT, basis: 'policy' } });
    expect(exitCode).toBe(0);
    expect(stderr).toContain('warning: the policy accepts the image without any signature\n');
  });
});

describe('sealift policy check', () => {
  it('takes a file and images, with paths from the directory that it was started in', async () => {
    const { calls } = await runBench(['policy', 'check', 'p.json', REF, 'oci:layout', '-c', 'c.toml']);
    expect(calls).toMatchObject([
      {
        command: 'policy check',
        options: { file: '/cwd/p.json', references: [REF, 'oci:/cwd/layout'], configFile: '/cwd/c.toml' },
      },
    ]);
  });

  it('prints findings with remedies, then usable keys, then images, and drives no terminal', async () => {
    const { exitCode, stdout } = await runBench(['policy', 'check', 'p.json', REF]);
    expect(exitCode).toBe(2);
    expect(stdout.toString()).toBe(
      [
        'fail   transports.docker["nginx"]: no image  [2J',
        '       → write "x"',
        'note   default[0]: keyPaths: unknown',
        'key    default[0]: keyPaths: ABCD, ed25519, expires at 2030-01-01T00:00:00.000Z',
        'key    default[0]: keyPaths: sha256:ab, P-256',
        'image  registry.example/app:1: default: signedBy with keyPath /k; insecureAcceptAnything',
        '',
      ].join('\n'),
    );
  });

  it('prints one document with --json, and ends as without it', async () => {
    const { exitCode, stdout } = await runBench(['policy', 'check', '--json', 'p.json']);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout.toString())).toEqual({ schema: 1, result: JSON.parse(JSON.stringify(POLICY_CHECK)) });
  });

  it.each([
    ['warn', 'warn   transports.docker["nginx"]: no image  [2J'],
    ['note', 'note   transports.docker["nginx"]: no image  [2J'],
  ] as const)('does not fail for a finding of status %s', async (status, line) => {
    const [first] = POLICY_CHECK.findings;
    const findings = first === undefined ? [] : [{ ...first, status }];
    const bench = await runBench(['policy', 'check', 'p'], { policyCheck: { ...POLICY_CHECK, findings } });
    expect([bench.exitCode, bench.stdout.toString().split('\n')[0]]).toEqual([0, line]);
  });

  it('says that there is nothing to report', async () => {
    const policyCheck = { findings: [], keys: [], images: [] };
    const { exitCode, stdout } = await runBench(['policy', 'check', 'p'], { policyCheck });
    expect([exitCode, stdout.toString()]).toEqual([0, 'nothing to report\n']);
  });
});
