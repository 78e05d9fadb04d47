import { describe, expect, it } from 'vitest';
import { parseNoProxy, unreadableExceptions } from '../../../src/http/no-proxy.ts';

function isExempt(list: string, url: string): boolean {
  return parseNoProxy(list)(new URL(url));
}

const ELSEWHERE = 'https://elsewhere.test/';

describe('no_proxy', () => {
  it.each([
    ['*', ELSEWHERE],
    ['other.test, *', ELSEWHERE],
    ['example.com', 'https://example.com/v2/'],
    ['example.com', 'https://a.b.example.com/'],
    ['.example.com', 'https://example.com/'],
    ['.example.com', 'https://a.example.com/'],
    ['*.example.com', 'https://a.example.com/'],
    ['Example.COM.', 'https://EXAMPLE.com./'],
    ['x.test,example.com,y.test', 'https://example.com/'],
    [' x.test ,\texample.com ', 'https://example.com/'],
    ['x.test example.com', 'https://example.com/'],
    [',,example.com,', 'https://example.com/'],
    ['example.com:5000', 'https://example.com:5000/'],
    ['example.com:443', 'https://example.com/'],
    ['example.com:80', 'http://a.example.com/'],
    ['192.0.2.7', 'https://192.0.2.7/'],
    ['192.0.2.7:5000', 'https://192.0.2.7:5000/'],
    ['192.0.2.7', 'https://0xC0000207/'],
    ['192.0.2.0/24', 'https://192.0.2.255:5000/'],
    ['0.0.0.0/0', 'https://192.0.2.7/'],
    ['192.0.2.0/24', 'https://[::ffff:192.0.2.7]/'],
    ['2001:db8::1', 'https://[2001:DB8:0::1]/'],
    ['[2001:db8::1]', 'https://[2001:db8::1]/'],
    ['[2001:db8::1]:5000', 'https://[2001:db8::1]:5000/'],
    ['2001:db8::/32', 'https://[2001:db8:7::1]/'],
  ])('%j exempts %s', (list, url) => {
    expect(isExempt(list, url)).toBe(true);
  });

  it.each([
    ['', ELSEWHERE],
    [' , ', ELSEWHERE],
    ['.', ELSEWHERE],
    ['example.com', 'https://notexample.com/'],
    ['example.com', 'https://example.com.evil.test/'],
    ['a.example.com', 'https://example.com/'],
    ['example.*', 'https://example.com/'],
    ['example.com:5000', 'https://example.com/'],
    ['example.com:443', 'http://example.com/'],
    ['example.com:port', 'https://example.com/'],
    [':443', ELSEWHERE],
    ['192.0.2.7', 'https://192.0.2.70/'],
    ['192.0.2.7', 'https://7.192.0.2.7.test/'],
    ['192.0.2.7:5000', 'https://192.0.2.7/'],
    ['192.0.2.0/24', 'https://192.0.3.1/'],
    ['192.0.2.0/33', 'https://192.0.2.1/'],
    ['192.0.2.0/', 'https://192.0.2.0/'],
    ['example.com/24', 'https://example.com/'],
    ['2001:db8::/129', 'https://[2001:db8::]/'],
    ['2001:db8::1', 'https://[2001:db8::2]/'],
    ['https://example.com', 'https://example.com/'],
  ])('%j does not exempt %s', (list, url) => {
    expect(isExempt(list, url)).toBe(false);
  });

  it.each([
    'http://localhost:5000/',
    'https://LOCALHOST./',
    'https://registry.localhost/',
    'https://127.0.0.1/',
    'https://127.9.9.9:5000/',
    'https://127.1/',
    'https://[::1]:5000/',
    'https://[::ffff:127.0.0.1]/',
  ])('always exempts %s, which is this machine', (url) => {
    expect(isExempt('', url)).toBe(true);
  });

  it.each(['https://localhost.test/', 'https://128.0.0.1/', 'https://10.0.0.1/', 'https://[::2]/'])(
    'does not take %s for this machine',
    (url) => {
      expect(isExempt('', url)).toBe(false);
    },
  );
});

describe('unreadableExceptions', () => {
  it.each([
    ...['*', 'a', 'a.b', '.a.b', '*.a.b', 'A.B', 'a.b.', 'a_b.c', 'xn--bcher-kva.example', 'a.b:443', '.a.b:1'],
    ...['10.0.0.1', '10.0.0.1:5000', '10.0.0.0/8', '10.1.2.3/32', '0.0.0.0/0'],
    ...['::1', 'fd00::1', '[fd00::1]', '[fd00::1]:443', 'fd00::/8', '', ' , ,'],
  ])('has nothing against "%s"', (entry) => {
    expect(unreadableExceptions(entry)).toEqual([]);
  });

  it.each([
    ...['http://a.b', 'a.b/c', '10.0.0.0/33', '10.0.0.0/', 'fd00::/129', 'a*b', '*a.b', '**', '*.', '.', '-'],
    ...['a.b:0', 'a.b:65536', 'user@a.b', 'bücher.example', 'a..b/8', '[fd00::1', '"a.b"'],
  ])('tells of "%s", which nothing matches', (entry) => {
    expect(unreadableExceptions(`ok.io, ${entry}, 10.0.0.0/8`)).toEqual([entry]);
  });
});
