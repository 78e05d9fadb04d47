import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import { formatReference, hashBytes, parseReference, type Reference, withDefaultTag } from '../../src/oci/index.ts';
import { parseAsGo } from '../support/oracles/reference-oracle.ts';

const component = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/);
const domain = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,8}(?:\.[a-z0-9]{1,8}){1,3}(?::[0-9]{1,5})?$/),
  fc.stringMatching(/^[a-z0-9]{1,8}:[0-9]{1,5}$/),
  fc.stringMatching(/^\[[0-9a-f]{0,4}:[0-9a-f:]{1,20}\](?::[0-9]{1,5})?$/),
  fc.constantFrom('localhost', 'docker.io'),
);
const reference = fc.record({
  domain,
  path: fc.array(component, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
  tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/), { nil: undefined }),
  digest: fc.option(
    fc
      .tuple(fc.string(), fc.constantFrom('sha256' as const, 'sha512' as const))
      .map(([text, name]) => hashBytes(text, name)),
    { nil: undefined },
  ),
});

/** Text that is a reference more often than chance allows. */
const almostReference = fc
  .array(
    fc.oneof(component, domain, fc.constantFrom('/', ':', '@', '.', '-', '[', ']', 'sha256:', 'A', ' ', '//', '\n')),
  )
  .map((parts) => parts.join(''));

describe('references', () => {
  it('format and parse are inverse on fully expanded names', () => {
    fc.assert(
      fc.property(reference, (value) => {
        expect(parseReference(formatReference(value))).toEqual(value);
      }),
    );
  });

  it('parsing is idempotent: what was accepted once reads the same again', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.oneof(almostReference, fc.string()), (text) => {
        try {
          const once = parseReference(text);
          accepted++;
          expect(parseReference(formatReference(once))).toEqual(once);
          expect(withDefaultTag(withDefaultTag(once))).toEqual(withDefaultTag(once));
        } catch (error) {
          if (!(error instanceof SealiftError)) throw error;
          expect(error.code).toBe('REFERENCE_INVALID');
        }
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it('are read as by the one expression that Go has for them, and nothing else is', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.oneof(almostReference, reference.map(shorten), fc.string({ unit: 'binary' })), (text) => {
        const ours = orUndefined(() => parseReference(text), SealiftError);
        const theirs = orUndefined(() => parseAsGo(text), RangeError);
        if (ours !== undefined) {
          accepted++;
          expect(ours).toEqual(theirs);
        } else if (theirs !== undefined) {
          // Only Sealift refuses a digest that it cannot check, an invalid host, and a name that is too long with its
          // host.
          const { domain, path, digest = '' } = theirs;
          const isTooLong = domain.length + 1 + path.length > 255;
          expect(digest.startsWith('sha384:') || domain === '' || isTooLong, text).toBe(true);
        }
      }),
      { numRuns: Math.max(2_000, fc.readConfigureGlobal().numRuns ?? 0) },
    );
    expect(accepted).toBeGreaterThan(200);
  });
});

/** Shortens the reference as users do, by leaving parts out. */
function shorten(full: Reference): string {
  return formatReference(full).replace(/^docker\.io\/(?:library\/)?/, '');
}

function orUndefined<T>(action: () => T, expected: typeof SealiftError | typeof RangeError): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof expected) return undefined;
    throw error;
  }
}
