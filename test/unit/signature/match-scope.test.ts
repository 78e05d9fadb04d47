import { describe, expect, it } from 'vitest';
import { parseReference } from '../../../src/oci/index.ts';
import { matchScope, matchTagScope, parsePolicy } from '../../../src/signature/policy/index.ts';
import { scopeCandidates } from '../../../src/signature/policy/match-scope.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function policyWith(...scopes: readonly string[]) {
  const list = scopes.map((scope) => [scope, [{ type: 'insecureAcceptAnything' }]] as const);
  return parsePolicy(
    JSON.stringify({
      default: [{ type: 'reject' }],
      transports: { docker: Object.fromEntries(list), oci: { '': [{ type: 'insecureAcceptAnything' }] } },
    }),
  );
}

const matched = (reference: string, ...scopes: string[]) =>
  matchScope(policyWith(...scopes), parseReference(reference)).scope;

describe('scopeCandidates', () => {
  it.each([
    [
      'a.b.example.com:5000/ns/app:t',
      [
        'a.b.example.com:5000/ns/app:t',
        'a.b.example.com:5000/ns/app',
        'a.b.example.com:5000/ns',
        'a.b.example.com:5000',
        '*.b.example.com',
        '*.example.com',
        '*.com',
        '',
      ],
    ],
    [
      'busybox',
      ['docker.io/library/busybox:latest', 'docker.io/library/busybox', 'docker.io/library', 'docker.io', '*.io', ''],
    ],
    [`r.io/app@${DIGEST}`, [`r.io/app@${DIGEST}`, 'r.io/app', 'r.io', '*.io', '']],
    [`r.io/app:t@${DIGEST}`, [`r.io/app@${DIGEST}`, 'r.io/app', 'r.io', '*.io', '']],
    ['localhost:5000/app:t', ['localhost:5000/app:t', 'localhost:5000/app', 'localhost:5000', '']],
    ['[::1]:5000/app:t', ['[::1]:5000/app:t', '[::1]:5000/app', '[::1]:5000', '']],
  ])('of %s go from the most specific to the transport', (reference, expected) => {
    expect(scopeCandidates(parseReference(reference))).toEqual(expected);
  });
});

describe('matchScope', () => {
  const ALL = ['r.io/ns/app:t', 'r.io/ns/app', 'r.io/ns', 'r.io', '*.io', ''];

  it.each(ALL.map((scope, position) => [scope, ALL.slice(position)] as const))(
    'takes "%s" before everything less specific',
    (scope, scopes) => {
      expect(matched('r.io/ns/app:t', ...scopes.toReversed())).toBe(`scope "${scope}"`);
    },
  );

  it.each([
    ['no scope at all', 'r.io/app:t', []],
    ['another tag', 'r.io/app:t', ['r.io/app:u']],
    ['a longer name with the same beginning', 'r.io/application:t', ['r.io/app', 'r.io/appl']],
    ['a namespace with the same beginning', 'r.io/nsx/app:t', ['r.io/ns']],
    ['a host without the port', 'r.io:5000/app:t', ['r.io', 'r.io/app']],
    ['a host with a port', 'r.io/app:t', ['r.io:5000']],
    ['a wildcard for the host itself', 'example.com/app:t', ['*.example.com']],
    ['a wildcard with a port', 'a.example.com:5000/app:t', ['*.example.com:5000']],
    ['a wildcard for a host with one label', 'localhost/app:t', ['*.localhost', '*']],
    ['a short name', 'busybox:t', ['busybox', 'library/busybox', 'busybox:t']],
    ['the alias of Docker Hub', 'index.docker.io/library/busybox:t', ['index.docker.io']],
    ['another digest', `r.io/app@${DIGEST}`, [`r.io/app@sha256:${'b'.repeat(64)}`]],
    ['the tag of a reference with digest', `r.io/app:t@${DIGEST}`, ['r.io/app:t', 'r.io/app:latest']],
    ['name, tag and digest in one scope', `r.io/app:t@${DIGEST}`, [`r.io/app:t@${DIGEST}`]],
  ])('leaves %s to the default', (_, reference, scopes) => {
    expect(matched(reference, ...scopes)).toBe('default');
  });

  it.each([
    ['a wildcard through several labels', 'a.b.example.com/app:t', '*.example.com'],
    ['a wildcard whatever the port', 'a.example.com:5000/app:t', '*.example.com'],
    ['the implied latest', 'busybox', 'docker.io/library/busybox:latest'],
    ['the digest of a reference with tag and digest', `r.io/app:t@${DIGEST}`, `r.io/app@${DIGEST}`],
    ['the repository of a reference with tag and digest', `r.io/app:t@${DIGEST}`, 'r.io/app'],
  ])('finds %s', (_, reference, scope) => {
    expect(matched(reference, scope)).toBe(`scope "${scope}"`);
  });

  it('hands out one list only', () => {
    const policy = parsePolicy(
      JSON.stringify({
        default: [{ type: 'reject' }],
        transports: { docker: { 'r.io': [{ type: 'reject' }], 'r.io/app': [{ type: 'insecureAcceptAnything' }] } },
      }),
    );
    expect(matchScope(policy, parseReference('r.io/app:t')).requirements).toEqual([{ type: 'insecureAcceptAnything' }]);
  });
});

describe('matchTagScope', () => {
  it('finds the entry of the tag only when there is a digest as well', () => {
    const policy = policyWith('r.io/app:t', 'r.io/app:latest');
    expect(matchTagScope(policy, parseReference(`r.io/app:t@${DIGEST}`))?.scope).toBe('scope "r.io/app:t"');
    expect(matchTagScope(policy, parseReference(`r.io/app:u@${DIGEST}`))).toBeUndefined();
    expect(matchTagScope(policy, parseReference('r.io/app:t'))).toBeUndefined();
    expect(matchTagScope(policy, parseReference(`r.io/app@${DIGEST}`))).toBeUndefined();
  });
});
