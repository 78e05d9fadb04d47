import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveEndpoints } from '../../src/config/index.ts';
import { matchPrefix } from '../../src/config/registries/match-prefix.ts';
import { mergeRegistries } from '../../src/config/registries/merge-registries.ts';
import { parseRegistries } from '../../src/config/registries/parse-registries.ts';
import { SealiftError } from '../../src/errors/index.ts';
import { formatReference, parseReference, type Reference } from '../../src/oci/index.ts';

const label = fc.stringMatching(/^[a-z0-9]{1,5}$/);
const host = fc
  .tuple(fc.array(label, { minLength: 2, maxLength: 4 }), fc.option(fc.integer({ min: 1, max: 65_535 })))
  .map(([labels, port]) => labels.join('.') + (port === null ? '' : `:${port}`));
const path = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('/'));
const reference: fc.Arbitrary<Reference> = fc.record({
  domain: host,
  path,
  tag: fc.option(label, { nil: undefined }),
  digest: fc.constantFrom(undefined, `sha256:${'0'.repeat(64)}` as Reference['digest']),
});

function endpointsOf(toml: string, name: Reference) {
  return resolveEndpoints(mergeRegistries([parseRegistries({ text: toml, origin: 'r', dialect: 'containers' })]), name);
}

describe('prefixes of names', () => {
  it('match where a name is cut between its components, and stand for just that much', () => {
    fc.assert(
      fc.property(reference, fc.nat(8), (name, cut) => {
        const text = formatReference(name);
        const ends = [...text.matchAll(/[:/@]|$/g)].map(({ index }) => index);
        const end = ends[cut % ends.length] ?? text.length;
        expect(matchPrefix(text, text.slice(0, end))).toBe(end);
      }),
    );
  });

  it('match nowhere else', () => {
    fc.assert(
      fc.property(reference, fc.integer({ min: 1, max: 60 }), label, (name, length, tail) => {
        const text = formatReference(name);
        const cut = text.slice(0, length);
        const next = text.charAt(length);
        if (/[a-z0-9]/.test(next)) expect(matchPrefix(text, cut)).toBeUndefined();
        expect(matchPrefix(text, `${text}${tail}`)).toBeUndefined();
        expect(matchPrefix(`${tail}.${text}`, `${name.domain}/${name.path}`)).toBeUndefined();
      }),
    );
  });

  it('with a star match hosts below, at any depth, and not the domain itself', () => {
    fc.assert(
      fc.property(
        fc.array(label, { minLength: 2, maxLength: 3 }),
        fc.array(label, { maxLength: 3 }),
        path,
        (domain, below, rest) => {
          const base = domain.join('.');
          const full = [...below, base].join('.');
          const expected = below.length === 0 ? undefined : full.length;
          expect(matchPrefix(`${full}/${rest}`, `*.${base}`)).toBe(expected);
          expect(matchPrefix(`x${base}/${rest}`, `*.${base}`)).toBeUndefined();
        },
      ),
    );
  });
});

describe('places of names', () => {
  it('keep tag, digest and what follows the prefix', () => {
    fc.assert(
      fc.property(reference, host, label, (name, location, folder) => {
        const toml = `[[registry]]\nprefix = "${name.domain}"\nlocation = "${location}/${folder}"`;
        const [endpoint] = endpointsOf(toml, name);
        expect(endpoint?.reference).toEqual({ ...name, domain: location, path: `${folder}/${name.path}` });
      }),
    );
  });

  it('are those of the longest prefix, in whichever order the rules stand', () => {
    fc.assert(
      fc.property(reference, fc.uniqueArray(fc.nat(4), { minLength: 1 }), fc.boolean(), (name, cuts, reverse) => {
        const parts = `${name.domain}/${name.path}`.split('/');
        const prefixes = [...new Set(cuts.map((cut) => parts.slice(0, 1 + (cut % parts.length)).join('/')))];
        const rules = prefixes.map(
          (prefix) => `[[registry]]\nprefix = "${prefix}"\nlocation = "p${prefix.length}.io/x"`,
        );
        const longest = Math.max(...prefixes.map(({ length }) => length));
        const [endpoint] = endpointsOf((reverse ? rules.toReversed() : rules).join('\n'), name);
        expect(endpoint?.reference.domain).toBe(`p${longest}.io`);
      }),
    );
  });

  it('are never asked when the name is blocked, however it is written', () => {
    fc.assert(
      fc.property(reference, fc.boolean(), (name, upper) => {
        const toml = `[[registry]]\nlocation = "${name.domain}"\nblocked = true`;
        const written = upper ? { ...name, domain: name.domain.toUpperCase() } : name;
        try {
          endpointsOf(toml, parseReference(formatReference(written)));
          expect.unreachable();
        } catch (error) {
          if (!(error instanceof SealiftError)) throw error;
          expect(error.code).toBe('REGISTRY_BLOCKED');
        }
      }),
    );
  });
});
