import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FILE_TRANSPORTS, formatImageReference, parseFileReference } from '../../src/oci/index.ts';

const path = fc.stringMatching(/^\/[a-z0-9@._-]{1,8}(\/[a-z0-9@._ -]{1,8}){0,3}$/);
const word = fc.stringMatching(/^[A-Za-z0-9]{1,5}$/);
const name = fc
  .array(word, { minLength: 1, maxLength: 4 })
  .chain((words) =>
    fc
      .array(fc.constantFrom('-', '.', '_', ':', '+', '--', '/'), { minLength: words.length, maxLength: words.length })
      .map((separators) => words.reduce((text, next, position) => `${text}${separators[position]}${next}`)),
  );
const selector = fc.oneof(
  fc.constant(''),
  fc.nat(99_999).map((position) => `:@${position}`),
  name.map((text) => `:${text}`),
);
const digest = fc.oneof(
  fc.constant(''),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `@sha256:${Buffer.from(bytes).toString('hex')}`),
);

describe('references of files', () => {
  it('come back as they were written', () => {
    const text = fc
      .tuple(fc.constantFrom('oci', 'oci-archive'), path, selector, digest)
      .map(([transport, ...rest]) => `${transport}:${rest.join('')}`)
      .filter((each) => !/@sha[0-9]+:/.test(each.replace(/@sha256:[0-9a-f]{64}$/, '')));
    fc.assert(fc.property(text, (each) => formatImageReference(parseFileReference(each)) === each));
  });

  it('parse or are refused with a code, whatever they are', () => {
    const text = fc.tuple(fc.constantFrom(...FILE_TRANSPORTS), fc.string({ maxLength: 80 }));
    fc.assert(
      fc.property(text, ([transport, rest]) => {
        try {
          const reference = parseFileReference(`${transport}:${rest}`);
          expect(parseFileReference(formatImageReference(reference))).toEqual(reference);
        } catch (error) {
          expect(error).toMatchObject({ code: 'REFERENCE_INVALID' });
        }
      }),
    );
  });
});
