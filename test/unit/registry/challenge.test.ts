import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../../src/registry/challenge.ts';
import { expectLinearTime } from '../../support/machine/linear-time.ts';

function parse(...headers: string[]) {
  return parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe('parseChallenges', () => {
  it('reads what Docker Hub sends', () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"';
    expect(parse(header)).toEqual([
      [
        'bearer',
        { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull' },
      ],
    ]);
  });

  it('reads several headers, and several challenges in one, in their order', () => {
    const expected = [
      ['basic', { realm: 'a' }],
      ['bearer', { realm: 'b', service: 'c' }],
    ];
    expect(parse('Basic realm="a"', 'Bearer realm="b", service="c"')).toEqual(expected);
    expect(parse('Basic realm="a", Bearer realm="b", service="c"')).toEqual(expected);
    expect(parse('Basic realm="a" , ,Bearer realm="b",,service="c",')).toEqual(expected);
  });

  it('ignores case of schemes and names and keeps that of values', () => {
    expect(parse('BEARER Realm="HTTPS://A/"')).toEqual([['bearer', { realm: 'HTTPS://A/' }]]);
  });

  it('reads unquoted values, spaces around =, and escapes', () => {
    expect(parse('Basic realm = a')).toEqual([['basic', { realm: 'a' }]]);
    expect(parse('Basic realm="a \\"quoted\\" \\\\ name, with=comma"')).toEqual([
      ['basic', { realm: 'a "quoted" \\ name, with=comma' }],
    ]);
  });

  it('reads schemes without parameters and with a token', () => {
    expect(parse('Negotiate, Basic realm="a"')).toEqual([
      ['negotiate', {}],
      ['basic', { realm: 'a' }],
    ]);
    expect(parse('NTLM TlRMTVNTUAAB==, Basic realm="a"')).toEqual([
      ['ntlm', {}],
      ['basic', { realm: 'a' }],
    ]);
  });

  it('does not take a quoted challenge for one', () => {
    expect(parse('Digest realm="Bearer realm=\\"https://evil\\""')).toEqual([
      ['digest', { realm: 'Bearer realm="https://evil"' }],
    ]);
  });

  it('marks a challenge with a parameter that came twice', () => {
    const challenges = parseChallenges(['Bearer realm="a", Realm="b", Basic realm="c"']);
    expect(challenges.map(({ scheme, repeated }) => [scheme, repeated])).toEqual([
      ['bearer', 'realm'],
      ['basic', undefined],
    ]);
  });

  it.each(['', ',,,', '"Bearer"', '=', 'Bearer realm="unterminated'])('takes nothing to answer from %j', (header) => {
    expect(parse(header).filter(([, parameters]) => 'realm' in Object(parameters))).toEqual([]);
  });

  it('never throws and takes linear time', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '"', '\\', ',', '=', ' ', 'B') }), (text) => {
        expect(Array.isArray(parseChallenges([text]))).toBe(true);
      }),
    );
    for (const part of ['a', 'a=', '"', '\\', 'a="', ', ', 'a b,']) {
      expectLinearTime(16_384, (count) => () => parseChallenges([part.repeat(count)]));
    }
  });
});
