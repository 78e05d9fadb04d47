import { describe, expect, it } from 'vitest';
import type { HttpRequest } from '../../../src/http/index.ts';
import { nextHop } from '../../../src/http/redirect.ts';
import { expectFailure } from '../../support/matchers.ts';

const FROM: HttpRequest = {
  url: 'https://registry.example/v2/a/blobs/b',
  method: 'GET',
  headers: { authorization: 'Bearer secret', cookie: 'a=b', accept: '*/*', range: 'bytes=1-', 'user-agent': 'sealift' },
  allowHttp: false,
};
const OPEN = { accept: '*/*', range: 'bytes=1-', 'user-agent': 'sealift' };

describe('nextHop', () => {
  it.each([
    ['a path', '/v2/c', 'https://registry.example/v2/c'],
    ['a relative path', 'd', 'https://registry.example/v2/a/blobs/d'],
    ['the default port', 'https://registry.example:443/x', 'https://registry.example/x'],
    ['the host in upper case', 'https://REGISTRY.example/x', 'https://registry.example/x'],
    ['a fragment, which goes', '/v2/c#part', 'https://registry.example/v2/c'],
  ])('keeps the credentials for %s', (_, location, url) => {
    expect(nextHop(FROM, 307, [location])).toEqual({ ...FROM, url });
  });

  it.each([
    ['another port', 'https://registry.example:8443/x'],
    ['a sub-domain', 'https://cdn.registry.example/x'],
    ['a parent domain', 'https://example/x'],
    ['a trailing dot', 'https://registry.example./x'],
    ['a name that begins alike', 'https://registry.example.evil.example/x'],
    ['a name that ends alike', 'https://evilregistry.example/x'],
    ['a host without scheme', '//other.example/x'],
    ['backslashes for slashes', '\\\\other.example\\x'],
  ])('drops the credentials for %s', (_, location) => {
    expect(nextHop(FROM, 307, [location]).headers).toEqual(OPEN);
  });

  it('drops the credentials from http to https of one host', () => {
    const from = { ...FROM, url: 'http://registry.example/x', allowHttp: true };
    expect(nextHop(from, 307, ['https://registry.example/x']).headers).toEqual(OPEN);
  });

  it.each([
    ['no Location', []],
    ['two Locations', ['/a', '/b']],
    ['a user name', ['https://user@registry.example/']],
    ['a password', ['https://:password@registry.example/']],
    ['http', ['http://registry.example/x']],
    ['data', ['data:text/plain,x']],
    ['an address that cannot be parsed', ['https://[::1']],
  ])('refuses %s', async (_, locations) => {
    await expectFailure('HTTP_REDIRECT_REFUSED', () => nextHop(FROM, 307, locations));
  });

  it('refuses to leave https where http is allowed', async () => {
    await expectFailure('HTTP_REDIRECT_REFUSED', () =>
      nextHop({ ...FROM, allowHttp: true }, 307, ['http://registry.example/x']),
    );
  });

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1.',
    '[::1]',
    '[::]',
    '[::ffff:10.0.0.1]',
    '[64:ff9b::a00:1]',
    '[::ffff:0:127.0.0.1]',
    '[2001:0:a00:1::1]',
    '[fd00::1]',
    '[fe80::1]',
    'localhost',
    'LOCALHOST.',
    'x.localhost',
  ])('refuses the private host %s from a public one and allows it from a private one', async (host) => {
    const location = [`https://${host}/x`];
    await expectFailure('HTTP_REDIRECT_REFUSED', () => nextHop(FROM, 307, location));
    const local = { ...FROM, url: 'https://192.168.0.7/v2/' };
    expect(nextHop(local, 307, location).headers).toEqual(OPEN);
  });

  it.each(['8.8.8.8', '[2606:4700::1]', '172.32.0.1', 'localhost.example'])('takes %s for public', (host) => {
    expect(nextHop(FROM, 307, [`https://${host}/x`]).url).toBe(`https://${host}/x`);
  });

  it('carries the body of a POST on within its origin only, and only where the method stays', async () => {
    const post: HttpRequest = { ...FROM, method: 'POST', body: 'refresh_token=secret' };
    expect(nextHop(post, 308, ['/token'])).toEqual({ ...post, url: 'https://registry.example/token' });
    await expectFailure('HTTP_REDIRECT_REFUSED', () => nextHop(post, 302, ['/token']));
    await expectFailure('HTTP_REDIRECT_REFUSED', () => nextHop(post, 307, ['https://other.example/token']));
  });
});
