import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SealiftError, toPlainError } from '../../../src/errors/index.ts';
import type { Transport } from '../../../src/http/index.ts';
import { SYSTEM_CLOCK } from '../../../src/http/transport.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { until } from '../../support/patience.ts';
import { type OddAnswer, SocksProxy, type SocksProxyOptions } from '../../support/proxies/socks-proxy.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import {
  collecting,
  get,
  type QuickTransportOptions,
  quickTransport,
  streamBlob,
} from '../../support/registries/http-fixture.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const ACCOUNT = { username: 'm@te', password: 'p@ss:word/%' };
const USERINFO = 'm%40te:p%40ss%3Aword%2F%25';
const BLOB = randomBytes(300_000);
const PATIENT = { connectTimeoutMs: 60_000, headersTimeoutMs: 60_000, stallTimeoutMs: 60_000 };

let certificates: TestCertificates;
let opened: AsyncDisposableStack;

beforeAll(() => {
  certificates = makeTestCertificates();
});

beforeEach(() => {
  opened = new AsyncDisposableStack();
});

afterEach(() => opened.disposeAsync());

async function startProxy(options: SocksProxyOptions = {}): Promise<SocksProxy> {
  return opened.use(await SocksProxy.start(options));
}

/** Starts a registry with https for names, or with plain http. */
async function startRegistry(isSecure: boolean): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(isSecure ? { tls: certificates.named } : {});
  opened.defer(() => registry.close());
  return registry;
}

function open(url: string, options: QuickTransportOptions = {}): Transport {
  const transport = quickTransport({
    extraRoots: [certificates.authority],
    proxy: { https: url, http: url },
    ...options,
  });
  opened.defer(() => transport.close());
  return transport;
}

function expectNoCredentials(error: SealiftError): void {
  const said = `${JSON.stringify(toPlainError(error))} ${inspect(error, { depth: 9 })}`;
  for (const secret of ['m@te', 'm%40te', 'p@ss', 'p%40ss']) expect(said).not.toContain(secret);
}

describe('through a SOCKS proxy', () => {
  it.each([
    ['https', 'socks5'],
    ['https', 'socks5h'],
    ['http', 'socks5'],
    ['http', 'socks5h'],
  ])('%s goes by %s, one tunnel for several requests, and the proxy looks the name up', async (scheme, proxyScheme) => {
    const proxy = await startProxy();
    const registry = await startRegistry(scheme === 'https');
    const transport = open(`${proxyScheme}://${proxy.host}`);
    for (let count = 0; count < 3; count++) {
      const { status } = await transport.fetchDocument(get(`${scheme}://registry.example:${registry.port}/v2/`), 1000);
      expect(status).toBe(200);
    }
    expect(registry.requests).toHaveLength(3);
    expect(registry.requests[0]?.url).toBe('/v2/');
    expect(proxy.questions).toEqual([{ kind: 'name', host: 'registry.example', port: registry.port }]);
    expect(proxy.accounts).toEqual([]);
  });

  it.each([
    ['https://registry.example/', { kind: 'name', host: 'registry.example', port: 443 }],
    ['http://registry.example/', { kind: 'name', host: 'registry.example', port: 80 }],
    ['https://192.0.2.1:65535/', { kind: 'ipv4', host: '192.0.2.1', port: 65_535 }],
    ['https://[2001:db8::1]/', { kind: 'ipv6', host: '20010db8000000000000000000000001', port: 443 }],
    ['http://[2001:db8:1:2:3:4:5:6]:256/', { kind: 'ipv6', host: '20010db8000100020003000400050006', port: 256 }],
    ['http://[fe80::]/', { kind: 'ipv6', host: 'fe800000000000000000000000000000', port: 80 }],
  ] as const)('%s is asked for as %j', async (url, question) => {
    const proxy = await startProxy({ odd: { to: 'request', bytes: [5, 2, 0, 1, 0, 0, 0, 0, 0, 0] } });
    // No server listens there, and none is needed.
    const nowhere = await startRegistry(false);
    proxy.routes.set(`${question.host}:${question.port}`, nowhere.port);
    await expectFailure('HTTP_PROXY_REFUSED', () => open(`socks5://${proxy.host}`).fetchDocument(get(url), 9));
    expect(proxy.questions).toEqual([question]);
  });

  it.each(['ipv4', 'ipv6', 'name'] as const)(
    'an answer with an address as %s, byte by byte, is read',
    async (boundAs) => {
      const proxy = await startProxy({ boundAs, isSlow: true, account: ACCOUNT });
      const registry = await startRegistry(true);
      const transport = open(`socks5://${USERINFO}@${proxy.host}`);
      const url = `https://registry.example:${registry.port}/v2/a/blobs/${registry.addBlob(BLOB)}`;
      const stream = collecting(get(url), BLOB.length);
      await streamBlob(transport, stream);
      expect(stream.received()).toEqual(BLOB);
      expect(proxy.accounts).toEqual([`${ACCOUNT.username}:${ACCOUNT.password}`]);
    },
  );

  it('a server that is not trusted is told apart from the proxy', async () => {
    const proxy = await startProxy();
    const registry = await startRegistry(true);
    const transport = open(`socks5://${proxy.host}`, { extraRoots: [] });
    const url = `https://registry.example:${registry.port}/v2/`;
    const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get(url), 9));
    expect(error.message).toContain(`through proxy ${proxy.host}: `);
    expect(registry.requests).toEqual([]);
  });

  it('no_proxy leaves out hosts, and this machine is always left out', async () => {
    const proxy = await startProxy();
    const registry = await startRegistry(false);
    const url = `socks5://${proxy.host}`;
    const transport = open(url, { proxy: { https: url, http: url, noProxy: '0.0.0.0/8' } });
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      await transport.fetchDocument(get(`http://${host}:${registry.port}/v2/`), 1000);
    }
    expect(proxy.questions).toEqual([]);
    await open(url).fetchDocument(get(`http://0.0.0.0:${registry.port}/v2/`), 1000);
    expect(proxy.questions).toHaveLength(1);
  });
});

describe('a SOCKS proxy with accounts', () => {
  it.each([
    ['the wrong password', 'm%40te:wrong@', 'refused the user name or the password'],
    ['nobody', '', 'requires a user name and a password'],
  ])('does not let in %s, which is not tried again', async (_, userinfo, words) => {
    const proxy = await startProxy({ account: ACCOUNT });
    const transport = open(`socks5://${userinfo}${proxy.host}`);
    const error = await expectFailure('HTTP_PROXY_AUTH_REQUIRED', () =>
      transport.fetchDocument(get('https://registry.example/v2/'), 9),
    );
    expect(error.message).toContain(`proxy ${proxy.host}: ${words}`);
    expectNoCredentials(error);
    expect(proxy.questions).toEqual([]);
    await until(() => proxy.openConnections === 0);
  });

  it('that asks for no password gets none', async () => {
    const proxy = await startProxy();
    const registry = await startRegistry(false);
    const transport = open(`socks5://${USERINFO}@${proxy.host}`);
    await transport.fetchDocument(get(`http://registry.example:${registry.port}/v2/`), 1000);
    expect(proxy.accounts).toEqual([]);
  });
});

describe('a SOCKS proxy that answers oddly', () => {
  const NO_MORE = [1, 0, 0, 0, 0, 0, 0] as const;
  const rows: readonly (readonly [string, OddAnswer, string, string])[] = [
    ['speaks SOCKS 4', { to: 'greeting', bytes: [0, 90] }, 'HTTP_RESPONSE_INVALID', 'version 0'],
    [
      'speaks HTTP',
      { to: 'greeting', bytes: [...Buffer.from('HTTP/1.1 400\r\n\r\n')] },
      'HTTP_RESPONSE_INVALID',
      'version 72',
    ],
    ['takes no method', { to: 'greeting', bytes: [5, 255] }, 'HTTP_PROXY_AUTH_REQUIRED', 'refused the user name'],
    ['wants GSSAPI', { to: 'greeting', bytes: [5, 1] }, 'HTTP_RESPONSE_INVALID', 'method 1, which was not offered'],
    [
      'speaks another protocol about passwords',
      { to: 'password', bytes: [5, 0] },
      'HTTP_RESPONSE_INVALID',
      'version 5',
    ],
    ['denies the password', { to: 'password', bytes: [1, 7] }, 'HTTP_PROXY_AUTH_REQUIRED', 'refused the user name'],
    [
      'answers the request with SOCKS 4',
      { to: 'request', bytes: [0, 90, 0, 0, 0, 0, 0, 0] },
      'HTTP_RESPONSE_INVALID',
      'SOCKS 5',
    ],
    ['sets what is reserved', { to: 'request', bytes: [5, 0, 1, ...NO_MORE] }, 'HTTP_RESPONSE_INVALID', 'SOCKS 5'],
    ['has an address of no kind', { to: 'request', bytes: [5, 0, 0, 2, 0, 0] }, 'HTTP_RESPONSE_INVALID', 'type 2'],
    [
      'speaks before the server',
      { to: 'request', bytes: [5, 0, 0, ...NO_MORE, 72] },
      'HTTP_RESPONSE_INVALID',
      'of its own',
    ],
    ['forbids it', { to: 'request', bytes: [5, 2, 0, ...NO_MORE] }, 'HTTP_PROXY_REFUSED', 'not allowed by its rules'],
    ['knows no such command', { to: 'request', bytes: [5, 7, 0, ...NO_MORE] }, 'HTTP_PROXY_REFUSED', 'command'],
    ['knows no such address', { to: 'request', bytes: [5, 8, 0, ...NO_MORE] }, 'HTTP_PROXY_REFUSED', 'address type'],
    ['has a reply of its own', { to: 'request', bytes: [5, 99, 0, ...NO_MORE] }, 'HTTP_PROXY_REFUSED', 'reply 99'],
    ['fails', { to: 'request', bytes: [5, 1, 0, ...NO_MORE] }, 'HTTP_UNAVAILABLE', 'general failure'],
    ['sees no network', { to: 'request', bytes: [5, 3, 0, ...NO_MORE] }, 'HTTP_UNAVAILABLE', 'network unreachable'],
    ['sees no host', { to: 'request', bytes: [5, 4, 0, ...NO_MORE] }, 'HTTP_UNAVAILABLE', 'host unreachable'],
    ['is refused', { to: 'request', bytes: [5, 5, 0, ...NO_MORE] }, 'HTTP_UNAVAILABLE', 'connection refused'],
    ['is too far away', { to: 'request', bytes: [5, 6, 0, ...NO_MORE] }, 'HTTP_UNAVAILABLE', 'time to live'],
    ['goes at once', { to: 'greeting', bytes: [], close: true }, 'HTTP_UNAVAILABLE', 'closed the connection'],
    [
      'goes within its first answer',
      { to: 'greeting', bytes: [5], close: true },
      'HTTP_UNAVAILABLE',
      'in the middle of an answer',
    ],
    [
      'goes within its last answer',
      { to: 'request', bytes: [5, 0, 0, 1, 0], close: true },
      'HTTP_UNAVAILABLE',
      'in the middle of an answer',
    ],
    [
      'goes within the name in it',
      { to: 'request', bytes: [5, 0, 0, 3, 255, 97], close: true },
      'HTTP_UNAVAILABLE',
      'in the middle of an answer',
    ],
  ];

  it.each(rows)('because it %s', async (_, odd, code, words) => {
    const proxy = await startProxy({ account: ACCOUNT, odd });
    const server = await startRegistry(false);
    const transport = open(`socks5://${USERINFO}@${proxy.host}`, { limits: { maxTries: 2 } });
    const url = `https://registry.example:${server.port}/v2/`;
    const error = await expectFailure(code as SealiftError['code'], () => transport.fetchDocument(get(url), 9));
    expect(error.message).toContain(`GET ${url}: proxy ${proxy.host}: `);
    expect(error.message).toContain(words);
    expect(error.context['proxy']).toBe(proxy.host);
    expect(error.message.includes('gave up after 2 tries')).toBe(code === 'HTTP_UNAVAILABLE');
    expectNoCredentials(error);
    expect(server.requests).toEqual([]);
    await until(() => proxy.openConnections === 0);
  });

  it('by keeping silent is given up after its time', async () => {
    const proxy = await startProxy({ odd: { to: 'greeting', bytes: [5] } });
    const transport = open(`socks5://${proxy.host}`, { limits: { connectTimeoutMs: 200, maxTries: 1 } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () =>
      transport.fetchDocument(get('https://registry.example/v2/'), 9),
    );
    expect(error.message).toContain('an answer to SOCKS within 200 ms');
    await until(() => proxy.openConnections === 0);
  });

  it('by keeping silent is left as soon as the pull is cancelled', async () => {
    const proxy = await startProxy({ odd: { to: 'greeting', bytes: [] } });
    const transport = open(`socks5://${proxy.host}`, { limits: PATIENT, clock: SYSTEM_CLOCK });
    const controller = new AbortController();
    const outcome = expectFailure('PULL_CANCELLED', () =>
      transport.fetchDocument(get('https://registry.example/v2/'), 9, controller.signal),
    );
    await until(() => proxy.openConnections > 0);
    controller.abort();
    await outcome;
    await until(() => proxy.openConnections === 0);
  });

  it('by not being there says which proxy that is', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.close();
    const transport = open(`socks5://${USERINFO}@${host}`, { limits: { maxTries: 1 } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get('http://r.example/'), 9));
    expect(error.message).toContain(`proxy ${host}: `);
    expect(error.hint).toContain('check that the proxy is running');
    expectNoCredentials(error);
  });

  it('is not asked for a name that SOCKS cannot carry', async () => {
    const proxy = await startProxy();
    const name = `${'a'.repeat(63)}.`.repeat(4).slice(0, -1);
    const error = await expectFailure('HTTP_PROXY_REFUSED', () =>
      open(`socks5://${proxy.host}`).fetchDocument(get(`https://${name}.x/`), 9),
    );
    expect(error.message).toContain('at most 255 bytes');
    expect(proxy.questions).toEqual([]);
  });
});

/** 0.0.0.0 is this machine, but not one of the addresses that are reached without a proxy. */
describeWith(['microsocks'], 'microsocks', () => {
  async function startMicrosocks(...parameters: readonly string[]): Promise<string> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    const child: ChildProcess = spawn('microsocks', ['-i', '127.0.0.1', '-p', String(port), ...parameters], {
      stdio: 'ignore',
    });
    opened.defer(async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    await untilListening(port);
    return `127.0.0.1:${port}`;
  }

  async function untilListening(port: number): Promise<void> {
    for (;;) {
      const socket = connect(port, '127.0.0.1');
      const [event] = await Promise.race([
        once(socket, 'connect').then(() => ['connect']),
        once(socket, 'error').then(() => ['error']),
      ]).catch(() => ['error']);
      socket.destroy();
      if (event === 'connect') return;
    }
  }

  it.each(['http', 'https'])('brings documents and layers over %s', async (scheme) => {
    const host = await startMicrosocks('-u', 'mate', '-P', 'secret');
    const registry = await startFakeRegistry(scheme === 'https' ? { tls: certificates.server } : {});
    opened.defer(() => registry.close());
    const transport = open(`socks5h://mate:secret@${host}`, { tlsVerify: false });
    const base = `${scheme}://0.0.0.0:${registry.port}/v2/`;
    expect((await transport.fetchDocument(get(base), 1000)).status).toBe(200);
    const stream = collecting(get(`${base}a/blobs/${registry.addBlob(BLOB)}`), BLOB.length);
    await streamBlob(transport, stream);
    expect(stream.received()).toEqual(BLOB);
  });

  it('refuses a wrong password, and a port that nobody listens at', async () => {
    const host = await startMicrosocks('-u', 'mate', '-P', 'secret');
    const ask = (userinfo: string) => () =>
      open(`socks5://${userinfo}${host}`, { limits: { maxTries: 1 } }).fetchDocument(get('http://0.0.0.0:1/'), 9);
    await expectFailure('HTTP_PROXY_AUTH_REQUIRED', ask('mate:wrong@'));
    await expectFailure('HTTP_PROXY_AUTH_REQUIRED', ask(''));
    const error = await expectFailure('HTTP_UNAVAILABLE', ask('mate:secret@'));
    expect(error.context['proxyReply']).toBe(5);
  });
});
