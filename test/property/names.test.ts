import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchRegistry } from '../../src/config/daemon/match-registry.ts';
import { parseReference } from '../../src/oci/index.ts';
import { credentialsFor } from '../../src/registry/credentials.ts';
import type { AuthFile } from '../../src/registry/index.ts';
import { matchScope, parsePolicy } from '../../src/signature/policy/index.ts';
import { scopeCandidates } from '../../src/signature/policy/match-scope.ts';

/** Labels of few letters, so that names have much in common. */
const label = fc.stringMatching(/^[ab]{1,2}$/);
const host = fc
  .tuple(fc.array(label, { minLength: 2, maxLength: 4 }), fc.constantFrom('', ':1', ':11'))
  .map(([labels, port]) => labels.join('.') + port);
const path = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('/'));

/** `h/a/b`, `h/a`, `h` */
function partsOf(domain: string, repository: string): string[] {
  const parts = [domain, ...repository.split('/')];
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** `.b.c`, `.c` of `a.b.c` */
function suffixesOf(domain: string): string[] {
  return [...domain.matchAll(/\./g)].map(({ index }) => domain.slice(index));
}

/** A name, and rules of which some were made from it and some from another name. */
function namedWith(rulesOf: (domain: string, repository: string) => readonly string[]) {
  return fc.tuple(host, path, host, path).chain(([domain, repository, otherDomain, otherRepository]) =>
    fc.tuple(
      fc.constant(domain),
      fc.constant(repository),
      fc.uniqueArray(fc.constantFrom(...rulesOf(domain, repository), ...rulesOf(otherDomain, otherRepository)), {
        maxLength: 6,
      }),
    ),
  );
}

/** The rule as the documentation describes it, one comparison after the other: slow, but easy to check. */
function longest<T>(items: readonly T[], lengthOf: (item: T) => number | undefined): T | undefined {
  const matching = items.filter((item) => lengthOf(item) !== undefined);
  return matching.sort((one, other) => (lengthOf(other) ?? 0) - (lengthOf(one) ?? 0))[0];
}

describe('credentials', () => {
  it('are those of the longest key that is the name or ends at one of its slashes', () => {
    let found = 0;
    fc.assert(
      fc.property(namedWith(partsOf), ([domain, name, keys]) => {
        const entries = keys.map((each) => [each, { kind: 'basic', username: each, password: 'p' }] as const);
        const file: AuthFile = { entries: new Map(entries), helpers: new Map(), store: undefined };
        const full = `${domain}/${name}/`;
        const expected = longest(keys, (each) => (full.startsWith(`${each}/`) ? each.length : undefined));
        const chosen = credentialsFor(file, { domain, path: name });
        expect(chosen?.kind === 'basic' ? chosen.username : undefined).toBe(expected);
        if (expected !== undefined) found++;
      }),
      { numRuns: Math.max(1_000, fc.readConfigureGlobal().numRuns ?? 0) },
    );
    expect(found).toBeGreaterThan(20);
  });
});

describe('patterns of imagepuller.toml', () => {
  it('stand for the host itself or, with a dot in front, for what is below; the longest one counts', () => {
    const patternsOf = (domain: string) => [domain, ...suffixesOf(domain), '.'];
    let [literal, suffix] = [0, 0];
    fc.assert(
      fc.property(namedWith(patternsOf), ([name, , patterns]) => {
        const below = longest(
          patterns.filter((each) => each.startsWith('.')),
          (each) => (each === '.' || (name.endsWith(each) && name !== each.slice(1)) ? each.length : undefined),
        );
        const expected = patterns.includes(name) ? name : below;
        expect(matchRegistry(patterns, name)).toBe(expected);
        if (expected === name) literal++;
        else if (expected !== undefined && expected !== '.') suffix++;
      }),
      { numRuns: Math.max(2_000, fc.readConfigureGlobal().numRuns ?? 0) },
    );
    expect(Math.min(literal, suffix)).toBeGreaterThan(5);
  });
});

describe('scopes of a policy', () => {
  const scopesOf = (domain: string, repository: string) => [
    ...partsOf(domain, repository),
    `${domain}/${repository}:t`,
    ...suffixesOf(domain.replace(/:.*/, '')).map((suffix) => `*${suffix}`),
    `*.${domain.replace(/:.*/, '')}`,
  ];

  /** https://github.com/containers/image/blob/v5.36.2/docs/containers-policy.json.5.md#docker */
  function rank(text: string, domain: string, name: string): number | undefined {
    if (text.startsWith('*.')) {
      // A port is no part of the domain.
      return domain.replace(/:.*/, '').endsWith(text.slice(1)) ? text.length - 1_000 : undefined;
    }
    if (text === name) return 2_000;
    const [repository = ''] = name.split(/:(?=[^/]*$)/);
    return `${repository}/`.startsWith(`${text}/`) ? text.length : undefined;
  }

  it('the most specific one decides: the whole name, then the longest part of it, then the longest star', () => {
    let scoped = 0;
    fc.assert(
      fc.property(namedWith(scopesOf), ([domain, repository, scopes]) => {
        const name = `${domain}/${repository}:t`;
        const expected = longest(scopes, (each) => rank(each, domain, name));
        const docker = Object.fromEntries(scopes.map((each) => [each, [{ type: 'insecureAcceptAnything' }]]));
        const policy = parsePolicy(JSON.stringify({ default: [{ type: 'reject' }], transports: { docker } }));
        const reference = parseReference(name);
        const { scope: decided } = matchScope(policy, reference);
        expect(decided, `${name} in ${scopes.join(' ')}`).toContain(expected ?? 'default');
        if (expected !== undefined) {
          scoped++;
          expect(scopeCandidates(reference)).toContain(expected);
        }
      }),
      { numRuns: Math.max(1_000, fc.readConfigureGlobal().numRuns ?? 0) },
    );
    expect(scoped).toBeGreaterThan(20);
  });
});
