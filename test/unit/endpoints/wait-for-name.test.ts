import { describe, expect, it } from 'vitest';
import { waitForNames } from '../../../src/endpoints/wait-for-name.ts';
import type { HttpRequest, TransportSettings } from '../../../src/http/index.ts';

/** Returns the names that a request to `url` waits for, and asserts that the request is made after it. */
async function waitedFor(url: string, proxy: TransportSettings['proxy'] = {}): Promise<string[]> {
  const events: string[] = [];
  const transport: TransportSettings = { tlsVerify: true, extraRoots: [], userAgent: 'test', proxy };
  const fetchDocument = async (request: HttpRequest) => {
    events.push(request.url);
    return { status: 200, headers: {}, body: new Uint8Array(), redirected: false };
  };
  const http = waitForNames({ fetchDocument }, transport, async (name) => void events.push(name));
  await http.fetchDocument({ url, method: 'GET', headers: {}, allowHttp: true }, 1);
  expect(events.pop()).toBe(url);
  return events;
}

describe('waitForNames', () => {
  it.each<[string, TransportSettings['proxy'], string[]]>([
    ['https://registry.example/v2/', {}, ['registry.example']],
    ['http://registry.example:5000/v2/', {}, ['registry.example']],
    ['https://10.0.2.2:5000/v2/', {}, []],
    ['https://[fd00::1]:5000/v2/', {}, []],
    ['http://localhost:5000/v2/', {}, []],
    ['https://registry.example/v2/', { https: 'http://10.0.0.9:3128' }, []],
    ['https://registry.example/v2/', { https: 'socks5://[fd00::9]' }, []],
    ['https://10.0.2.2/v2/', { https: 'http://proxy.example:3128' }, ['proxy.example']],
    ['http://registry.example/v2/', { https: 'http://10.0.0.9:3128' }, ['registry.example']],
    ['https://registry.example/', { https: 'http://10.0.0.9:3128', noProxy: '.example' }, ['registry.example']],
  ])('%s with the proxies %j needs the names %j', async (url, proxy, names) => {
    expect(await waitedFor(url, proxy)).toEqual(names);
  });
});
