import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import { nextHop } from '../../src/http/redirect.ts';
import { assertContentRange, contentLength } from '../../src/http/response-head.ts';
import { parseRetryAfter } from '../../src/http/retry.ts';
import { parseChallenges } from '../../src/registry/challenge.ts';
import { selectChallenge } from '../../src/registry/select-challenge.ts';

const URL_TEXT = 'https://registry.example/v2/a/blobs/x';
const NOW = Date.UTC(2026, 10, 21, 12);

/** Header values that Node accepts. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x09 : code)),
  maxLength: 200,
});
const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);

/** Returns the code that the action fails with, and fails itself for an error without a code. */
function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof SealiftError) return error.code;
    throw error;
  }
}

interface WrittenParameter {
  readonly name: string;
  readonly value: string;
  readonly isQuoted: boolean;
  /** Which characters of a quoted value are written as pairs although they need not be. */
  readonly escaped: number;
}

const parameter: fc.Arbitrary<WrittenParameter> = fc.record({
  name: token,
  value: fc.oneof(token, headerText),
  isQuoted: fc.boolean(),
  escaped: fc.nat(),
});
const challenge = fc.record({
  scheme: token,
  parameters: fc.uniqueArray(parameter, { maxLength: 4, selector: ({ name }) => name.toLowerCase() }),
});
/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1: empty elements and white space count for nothing. */
const separator = fc.constantFrom(',', ', ', ' ,', ' , ', ',,', ', ,\t');
const equals = fc.constantFrom('=', ' =', '= ', ' = ');

function writeValue({ value, isQuoted, escaped }: WrittenParameter): string {
  if (!isQuoted && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value)) return value;
  const pairs = [...value].map((character, index) => {
    const isPair = character === '"' || character === '\\' || (escaped >> (index % 31)) % 2 === 1;
    return isPair ? `\\${character}` : character;
  });
  return `"${pairs.join('')}"`;
}

describe('WWW-Authenticate', () => {
  it('is read as it was written, in one header or several, with quoted pairs and any white space', () => {
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), separator, equals, fc.boolean(), (...sample) => {
        const [challenges, comma, sign, isOneHeader] = sample;
        const written = challenges.map(({ scheme, parameters }) => {
          const list = parameters.map((each) => `${each.name}${sign}${writeValue(each)}`);
          return list.length === 0 ? scheme : `${scheme} ${list.join(comma)}`;
        });
        const read = parseChallenges(isOneHeader ? [written.join(comma)] : written);
        expect(read.map(({ scheme, parameters }) => [scheme, [...parameters]])).toEqual(
          challenges.map(({ scheme, parameters }) => [
            scheme.toLowerCase(),
            parameters.map(({ name, value }) => [name.toLowerCase(), value]),
          ]),
        );
      }),
    );
  });

  it('whatever it says is answered, or refused with a code', () => {
    const almost = fc
      .array(fc.oneof(token, fc.constantFrom('Bearer ', 'Basic ', 'realm=', '"', '\\', ',', '=', 'https://a.b/', ' ')))
      .map((parts) => parts.join(''));
    const registry = new URL('https://registry.example');
    let answered = 0;
    fc.assert(
      fc.property(fc.array(fc.oneof(almost, headerText), { maxLength: 3 }), fc.boolean(), (headers, hasPassword) => {
        const credentials = hasPassword ? ({ kind: 'basic', username: 'u', password: 'p' } as const) : undefined;
        const code = codeOf(() => selectChallenge(parseChallenges(headers), credentials, registry));
        expect([undefined, 'REGISTRY_AUTH_REJECTED', 'REGISTRY_AUTH_UNSUPPORTED']).toContain(code);
        if (code === undefined) answered++;
      }),
      { examples: [[['Bearer realm="https://a.b/"'], false]] },
    );
    // That of the example at least.
    expect(answered).toBeGreaterThan(0);
  });

  it('with a parameter twice names the parameter, and is not for answering', () => {
    fc.assert(
      fc.property(challenge, parameter, parameter, ({ scheme, parameters }, first, second) => {
        const twice = [first, ...parameters, { ...second, name: first.name.toUpperCase() }];
        const text = `${scheme} ${twice.map((each) => `${each.name}=${writeValue(each)}`).join(', ')}`;
        const names = twice.map(({ name }) => name.toLowerCase());
        const repeated = names.find((name, at) => names.indexOf(name) < at);
        expect(parseChallenges([text])).toMatchObject([{ scheme: scheme.toLowerCase(), repeated }]);
      }),
    );
  });
});

describe('Retry-After', () => {
  it('is read as seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), (seconds) => {
        expect(parseRetryAfter(String(seconds), NOW)).toBe(seconds * 1000);
      }),
    );
  });

  it('is read as a date in either form that names its zone', () => {
    const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 700_000_000 }), (seconds) => {
        const date = new Date(NOW + seconds * 1000);
        const [, day = '', month = '', year = '', time = ''] = date.toUTCString().split(' ');
        const old = `${days[date.getUTCDay()]}, ${day}-${month}-${year.slice(2)} ${time} GMT`;
        for (const text of [date.toUTCString(), old]) {
          expect(parseRetryAfter(text, NOW), text).toBe(Math.max(0, seconds * 1000));
        }
      }),
    );
  });

  it('whatever it says is a time to come, or nothing', () => {
    const almost = fc
      .array(fc.constantFrom('Sat', ',', ' ', '21', 'Nov', '2026', '12:00:30', 'GMT', '-', '1', 'e9', '+', '.'))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(almost, headerText), (text) => {
        const wait = parseRetryAfter(text, NOW) ?? 0;
        expect(wait >= 0 && Number.isFinite(wait), text).toBe(true);
      }),
    );
  });
});

describe('Content-Range and Content-Length', () => {
  const head = (name: string, values: readonly string[]) => ({ status: 206, headers: { [name]: values } });
  const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const range = size.chain((whole) =>
    fc
      .tuple(fc.integer({ min: 0, max: whole - 1 }), fc.integer({ min: 0, max: whole - 1 }))
      .map(([one, other]) => ({ first: Math.min(one, other), last: Math.max(one, other), whole })),
  );

  it('are taken when they say just what was asked for', () => {
    fc.assert(
      fc.property(range, fc.constantFrom('bytes', 'Bytes'), ({ first, last, whole }, unit) => {
        const text = `${unit} ${first}-${last}/${whole}`;
        expect(() =>
          assertContentRange(URL_TEXT, head('content-range', [text]), { first, last, size: whole }),
        ).not.toThrow();
        expect(contentLength(URL_TEXT, head('content-length', [String(whole)]))).toBe(whole);
      }),
    );
  });

  it('are refused with any other number, any other text, and twice', () => {
    const mutation = fc.constantFrom<readonly [number, number, number]>([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]);
    fc.assert(
      fc.property(range, mutation, headerText, ({ first, last, whole }, [a, b, c], text) => {
        const right = `bytes ${first}-${last}/${whole}`;
        const wrong = [`bytes ${first + a}-${last + b}/${whole + c}`, `bytes ${first}-${last}/*`, text, `${right} `];
        for (const values of [...wrong.map((each) => [each]), [right, right], []]) {
          expect(
            codeOf(() => assertContentRange(URL_TEXT, head('content-range', values), { first, last, size: whole })),
          ).toBe('HTTP_RESPONSE_INVALID');
        }
        if (!/^\d{1,16}$/.test(text)) {
          expect(codeOf(() => contentLength(URL_TEXT, head('content-length', [text])))).toBe('HTTP_RESPONSE_INVALID');
        }
      }),
    );
  });
});

describe('Location', () => {
  const location = fc.oneof(
    headerText,
    fc.webUrl({ validSchemes: ['http', 'https', 'ftp'], withQueryParameters: true, withFragments: true }),
    fc.stringMatching(/^(?:\/\/|\/|\.\.\/|\?)[a-z0-9./@:[\]-]{0,30}$/),
  );

  it('whatever it says, secrets stay with the origin that they were for', () => {
    const headers = { accept: '*/*', authorization: 'Basic secret', cookie: 'secret', range: 'bytes=1-' };
    let followed = 0;
    fc.assert(
      fc.property(location, fc.constantFrom(301, 302, 303, 307, 308), (text, status) => {
        const request = { url: URL_TEXT, method: 'GET', headers, allowHttp: true } as const;
        let next: ReturnType<typeof nextHop> | undefined;
        const code = codeOf(() => {
          next = nextHop(request, status, [text]);
        });
        expect([undefined, 'HTTP_REDIRECT_REFUSED']).toContain(code);
        if (next === undefined) return;
        followed++;
        const isSame = new URL(next.url).origin === 'https://registry.example';
        expect(new URL(next.url).protocol).toBe('https:');
        expect('authorization' in next.headers).toBe(isSame);
        if (!isSame) expect(JSON.stringify(next.headers)).not.toContain('secret');
      }),
      {
        examples: [
          ['/v2/a/blobs/y', 307],
          ['https://storage.example/y', 307],
        ],
      },
    );
    expect(followed).toBeGreaterThanOrEqual(2);
  });
});
