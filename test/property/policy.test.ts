import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import { parseReference, parseStrictJson } from '../../src/oci/index.ts';
import { matchScope, parsePolicy } from '../../src/signature/policy/index.ts';
import { scopeCandidates } from '../../src/signature/policy/match-scope.ts';

const label = fc.stringMatching(/^[a-z]{1,3}$/);
const name = fc
  .record({
    host: fc.array(label, { minLength: 2, maxLength: 4 }),
    path: fc.array(label, { minLength: 1, maxLength: 3 }),
  })
  .map(({ host, path }) => `${host.join('.')}/${path.join('/')}:t`);

describe('policies', () => {
  it('adding a scope that is no candidate changes nothing', () => {
    fc.assert(
      fc.property(name, name, (mine, other) => {
        const reference = parseReference(mine);
        const candidates = new Set(scopeCandidates(reference));
        const docker = Object.fromEntries(
          scopeCandidates(parseReference(other))
            .filter((scope) => !candidates.has(scope))
            .map((scope) => [scope, [{ type: 'insecureAcceptAnything' }]]),
        );
        const policy = parsePolicy(JSON.stringify({ default: [{ type: 'reject' }], transports: { docker } }));
        expect(matchScope(policy, reference).scope).toBe('default');
      }),
    );
  });

  it('every scope that matches is a part of the name, a wildcard over it, or the transport', () => {
    fc.assert(
      fc.property(name, (text) => {
        const host = text.slice(0, text.indexOf('/'));
        for (const scope of scopeCandidates(parseReference(text))) {
          const covers = scope.startsWith('*.') ? host.endsWith(scope.slice(1)) : text.startsWith(scope);
          expect(covers, `${scope} covers ${text}`).toBe(true);
        }
      }),
    );
  });

  it('any text is a policy or POLICY_INVALID', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        try {
          parsePolicy(text);
        } catch (error) {
          expect(error instanceof SealiftError && error.code).toBe('POLICY_INVALID');
        }
      }),
    );
  });
});

describe('strict JSON', () => {
  it('reads what JSON.stringify writes, as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/\\ud[89a-f]|e\+|\d{16}/i.test(text));
        expect(JSON.stringify(parseStrictJson(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('accepts nothing that JSON.parse refuses', () => {
    const almostJson = fc
      .array(
        fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"b"', '1', '-', '.', '0', 'e', 'null', ' ', '\\', '"'),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(almostJson, (text) => {
        let strict: unknown;
        try {
          strict = parseStrictJson(text);
        } catch {
          return;
        }
        expect(JSON.stringify(strict)).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 5_000 },
    );
  });
});
