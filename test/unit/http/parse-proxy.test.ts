import { describe, expect, it } from 'vitest';
import { createProxyChoice } from '../../../src/http/choose-proxy.ts';
import { parseProxy } from '../../../src/http/parse-proxy.ts';
import { expectFailure } from '../../support/matchers.ts';

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

describe('parseProxy', () => {
  it.each([
    ['http://proxy.example:3128', 'http:', 'proxy.example', '3128', 'proxy.example:3128'],
    ['http://proxy.example', 'http:', 'proxy.example', '80', 'proxy.example:80'],
    ['https://proxy.example/', 'https:', 'proxy.example', '443', 'proxy.example:443'],
    ['HTTPS://Proxy.Example:80', 'https:', 'proxy.example', '80', 'proxy.example:80'],
    ['proxy.example:3128', 'http:', 'proxy.example', '3128', 'proxy.example:3128'],
    ['proxy', 'http:', 'proxy', '80', 'proxy:80'],
    ['http://[2001:db8::1]:3128', 'http:', '2001:db8::1', '3128', '[2001:db8::1]:3128'],
  ])('reads %s', (text, protocol, hostname, port, name) => {
    expect(parseProxy(text, 's')).toEqual({ protocol, hostname, port, name, authorization: undefined });
  });

  it.each([
    ['http://user:pass@proxy', 'user:pass'],
    ['user:pass@proxy:3128', 'user:pass'],
    ['http://user@proxy', 'user:'],
    ['http://:pass@proxy', ':pass'],
    ['http://us%40er:p%3Aa%2Fs%25s%20@proxy', 'us@er:p:a/s%s '],
    ['http://user:p@ss@proxy', 'user:p@ss'],
    ['http://j%C3%B6rg:%E2%82%AC@proxy', 'jörg:€'],
  ])('takes the credentials of %s, decoded, and keeps them out of the name', (text, pair) => {
    const proxy = parseProxy(text, 's');
    expect(proxy).toMatchObject({ authorization: basic(pair) });
    const { name, hostname } = proxy;
    expect([hostname, name.replace(/:\d+$/, '')]).toEqual(['proxy', 'proxy']);
  });

  it.each([
    '',
    'http://',
    'ftp://user:s3cret@proxy',
    'file:///s3cret',
    'http://user:s3cret@proxy:99999',
    'http://user:s3cret@proxy/path',
    'http://user:s3cret@proxy?query',
    'http://user:s3cret@proxy#fragment',
    'http://user:s3cret/x@proxy',
    'http://user:s3cret%@proxy',
    'http://user:s3cret%ff@proxy',
    'http://us%3Aer:s3cret@proxy',
    'http://user:s3cret%0d%0aInjected:%20x@proxy',
    'http://user:s3cret@pro xy',
    'user:s3cret@https://proxy',
  ])('refuses %j, and says nothing of it', async (text) => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () => parseProxy(text, 'pull.proxy.https'));
    expect(error.message).toContain('pull.proxy.https');
    expect(JSON.stringify([error.message, error.context, error.hint, String(error.cause)])).not.toContain('s3cret');
  });

  it.each([
    ['socks5://proxy', 'proxy', '1080', 'proxy:1080', undefined],
    ['SOCKS5H://Proxy.Example:80/', 'proxy.example', '80', 'proxy.example:80', undefined],
    ['socks5://[2001:DB8::1]:9050', '2001:db8::1', '9050', '[2001:db8::1]:9050', undefined],
    ['socks5://127.0.0.1:9050', '127.0.0.1', '9050', '127.0.0.1:9050', undefined],
    ['socks5h://us%40er:p%3Aa%2F%00@proxy', 'proxy', '1080', 'proxy:1080', ['us@er', 'p:a/\0']],
    ['socks5://user@proxy', 'proxy', '1080', 'proxy:1080', ['user', '']],
    [`socks5://${'u'.repeat(255)}:${'p'.repeat(255)}@h`, 'h', '1080', 'h:1080', ['u'.repeat(255), 'p'.repeat(255)]],
  ])('reads %s', (text, hostname, port, name, pair) => {
    const account = pair === undefined ? undefined : { username: pair[0], password: pair[1] };
    expect(parseProxy(text, 's')).toEqual({ protocol: 'socks5:', hostname, port, name, account });
  });

  it.each([
    'socks5://',
    'socks5://:s3cret@proxy',
    `socks5://s3cret:${'p'.repeat(256)}@proxy`,
    `socks5://${'u'.repeat(256)}:s3cret@proxy`,
    'socks5://user:s3cret@pro%78y',
    'socks5://user:s3cret@pröxy',
    'socks5://user:s3cret@0x7f.1',
    'socks5://user:s3cret@proxy/path',
    'socks5://user:s3cret@proxy?query',
    'socks5://user:s3cret%ff@proxy',
    'socks5://user:s3cret@proxy:99999',
    'socks6://user:s3cret@proxy',
  ])('refuses %j, and says nothing of it', async (text) => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () => parseProxy(text, 'pull.proxy.https'));
    expect(JSON.stringify([error.message, error.context, error.hint, String(error.cause)])).not.toContain('s3cret');
  });

  it.each(['socks', 'socks4', 'socks4a', 'SOCKS4'])('refuses %s as what it is', async (scheme) => {
    const text = `${scheme}://user:s3cret@proxy:1080`;
    const error = await expectFailure('CONFIG_UNSUPPORTED', () => parseProxy(text, 'pull.proxy.https'));
    expect(error.message).toContain('SOCKS 4');
    expect(JSON.stringify([error.message, error.context, error.hint])).not.toContain('s3cret');
  });
});

describe('createProxyChoice', () => {
  const choose = createProxyChoice({ https: 'secure:1', http: 'plain:2', noProxy: 'internal.example' });

  it.each([
    ['https://registry.example/', 'secure:1'],
    ['http://registry.example/', 'plain:2'],
    ['https://a.internal.example/', undefined],
    ['http://internal.example:5000/', undefined],
    ['http://localhost:5000/', undefined],
  ])('for %s answers %s', (url, name) => {
    expect(choose(new URL(url))?.name).toBe(name);
  });

  it('answers none where none is set, or set to nothing', () => {
    for (const settings of [undefined, {}, { https: '', http: '', noProxy: '' }, { http: 'plain' }]) {
      expect(createProxyChoice(settings)(new URL('https://registry.example/'))).toBeUndefined();
    }
  });
});
