import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SealiftError, toPlainError } from '../../../src/errors/index.ts';
import type { Transport } from '../../../src/http/index.ts';
import { SYSTEM_CLOCK } from '../../../src/http/transport.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { AT_ONCE_MS, until } from '../../support/patience.ts';
import { ForwardProxy, type ForwardProxyOptions } from '../../support/proxies/forward-proxy.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import {
  collecting,
  get,
  type QuickTransportOptions,
  quickTransport,
  type RecordingClock,
  recordingClock,
  streamBlob,
} from '../../support/registries/http-fixture.ts';
import { openSource } from '../../support/registries/registry-fixture.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const ACCOUNT = 'mate:p@ss:word/%';
const USERINFO = 'mate:p%40ss%3Aword%2F%25';
const ENCODED = Buffer.from(ACCOUNT).toString('base64');
const BLOB = randomBytes(300_000);
const LONG = { connectTimeoutMs: 60_000, headersTimeoutMs: 60_000, stallTimeoutMs: 60_000, retryDelayMs: 60_000 };

let certificates: TestCertificates;
let clock: RecordingClock;
let opened: AsyncDisposableStack;

beforeAll(() => {
  certificates = makeTestCertificates();
});

beforeEach(() => {
  clock = recordingClock();
  opened = new AsyncDisposableStack();
});

afterEach(() => opened.disposeAsync());

async function startProxy(options: ForwardProxyOptions = {}): Promise<ForwardProxy> {
  return opened.use(await ForwardProxy.start(options));
}

async function startRegistry(options: Parameters<typeof startFakeRegistry>[0] = {}): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(options);
  opened.defer(() => registry.close());
  return registry;
}

const startSecureRegistry = () => startRegistry({ tls: certificates.named });

function open(options: QuickTransportOptions): Transport {
  const transport = quickTransport({ clock, extraRoots: [certificates.authority], ...options });
  opened.defer(() => transport.close());
  return transport;
}

/** No resolver of this machine knows the name; the proxy does. */
function secureUrl(registry: FakeRegistry, host = 'registry.example'): string {
  return `https://${host}:${registry.port}/v2/`;
}

function expectNoCredentials(error: SealiftError): void {
  const said = `${JSON.stringify(toPlainError(error))} ${inspect(error, { depth: 9 })}`;
  for (const secret of ['mate', 'p@ss', 'p%40ss', ENCODED]) expect(said).not.toContain(secret);
}

describe('https through a proxy', () => {
  it.each(['http', 'https'])('that speaks %s goes through one tunnel, and its resolver', async (scheme) => {
    const proxy = await startProxy(scheme === 'https' ? { tls: certificates.server } : {});
    const registry = await startSecureRegistry();
    const transport = open({ proxy: { https: proxy.url } });
    for (let count = 0; count < 3; count++) {
      expect((await transport.fetchDocument(get(secureUrl(registry)), 1000)).status).toBe(200);
    }
    expect(registry.requests).toHaveLength(3);
    expect(proxy.requests).toEqual([
      {
        method: 'CONNECT',
        target: `registry.example:${registry.port}`,
        headers: { host: `registry.example:${registry.port}`, 'user-agent': 'sealift-test' },
      },
    ]);
  });

  it.each([
    ['https://registry.example/v2/', 'registry.example:443'],
    ['https://[2001:db8::1]/v2/', '[2001:db8::1]:443'],
    ['https://[2001:db8::1]:5000/v2/', '[2001:db8::1]:5000'],
    ['https://192.0.2.1:5000/v2/', '192.0.2.1:5000'],
  ])('asks for the tunnel to %s as %s', async (url, target) => {
    const proxy = await startProxy();
    proxy.inject({ kind: 'answer', status: 403 });
    await expectFailure('HTTP_PROXY_REFUSED', () => open({ proxy: { https: proxy.url } }).fetchDocument(get(url), 9));
    expect(proxy.requests.map((request) => [request.target, request.headers.host])).toEqual([[target, target]]);
  });

  it.each([
    ['no extra root', 'named', [] as string[]],
    ['a certificate for other names', 'wrongName', undefined],
  ] as const)('refuses a server with %s, and sends it nothing', async (_, certificate, extraRoots) => {
    const proxy = await startProxy();
    const registry = await startRegistry({ tls: certificates[certificate] });
    const transport = open({ proxy: { https: proxy.url }, ...(extraRoots === undefined ? {} : { extraRoots }) });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get(secureUrl(registry)), 9));
    expect(error.hint).toContain('authority of the registry');
    expect(error.message).toContain(`through proxy ${proxy.host}: `);
    expect(proxy.tunnelled.length).toBeGreaterThan(0);
    expect(registry.requests).toEqual([]);
    expect(clock.pauses).toEqual([]);
  });

  it.each([
    ['of an unknown authority', 'server', [] as string[]],
    ['with a certificate for other names', 'wrongName', undefined],
  ] as const)('refuses a proxy %s, and tells it no credentials', async (_, certificate, extraRoots) => {
    const proxy = await startProxy({ tls: certificates[certificate] });
    const registry = await startSecureRegistry();
    const transport = open({
      proxy: { https: proxy.urlWith(USERINFO), http: proxy.urlWith(USERINFO) },
      ...(extraRoots === undefined ? {} : { extraRoots }),
    });
    for (const url of [secureUrl(registry), 'http://registry.example/v2/']) {
      const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get(url), 1000));
      expect(error.context['proxy']).toBe(proxy.host);
      expect(error.hint).toContain('authority of the proxy');
      expectNoCredentials(error);
    }
    expect(proxy.requests).toEqual([]);
    expect(clock.pauses).toEqual([]);
  });

  it('accepts both without verification', async () => {
    const proxy = await startProxy({ tls: certificates.wrongName });
    const registry = await startRegistry({ tls: certificates.wrongName });
    const transport = open({ proxy: { https: proxy.url }, tlsVerify: false, extraRoots: [] });
    expect((await transport.fetchDocument(get(secureUrl(registry)), 1000)).status).toBe(200);
  });

  it('goes on with the very byte after a break, in another tunnel', async () => {
    const proxy = await startProxy();
    const registry = await startSecureRegistry();
    const url = `${secureUrl(registry)}a/blobs/${registry.addBlob(BLOB)}`;
    registry.inject({ match: /blobs/, action: { kind: 'close', afterBytes: 100_000 } });
    const stream = collecting(get(url), BLOB.length);
    await streamBlob(open({ proxy: { https: proxy.url } }), stream);
    expect(stream.received().equals(BLOB)).toBe(true);
    expect(registry.requests[1]?.headers['range']).toMatch(/^bytes=[1-9]\d*-$/);
    expect(proxy.requests).toHaveLength(2);
  });

  it('fetches manifest and layer with a token from another host', async () => {
    const proxy = await startProxy({ account: ACCOUNT });
    const registry = await startRegistry({
      tls: certificates.named,
      auth: { kind: 'bearer', account: 'user:pass', realm: 'https://auth.example/token' },
    });
    proxy.routes.set('auth.example:443', registry.port);
    const manifest = Buffer.from('{"schemaVersion":2}');
    registry.addManifest('team/app', manifest, 'text/x', 'latest');
    const { source, close } = openSource(registry, {
      domain: `registry.example:${registry.port}`,
      allowHttp: false,
      credentials: { kind: 'basic', username: 'user', password: 'pass' },
      transport: { extraRoots: [certificates.authority], proxy: { https: proxy.urlWith(USERINFO) } },
    });
    opened.defer(close);
    expect(Buffer.from((await source.fetchManifest('latest')).rawBytes).equals(manifest)).toBe(true);
    expect(registry.requestsTo(/^\/token/)).toHaveLength(1);
    expect(proxy.requests.map(({ target }) => target)).toEqual([
      `registry.example:${registry.port}`,
      'auth.example:443',
    ]);
  });
});

describe('plain http through a proxy', () => {
  it.each(['http', 'https'])('that speaks %s asks for whole URLs, of several hosts in turn', async (scheme) => {
    const proxy = await startProxy(scheme === 'https' ? { tls: certificates.server } : {});
    const registry = await startRegistry();
    const transport = open({ proxy: { http: proxy.url } });
    const urls = ['registry', 'cdn', 'registry'].map((name) => `http://${name}.example:${registry.port}/v2/?n=1`);
    for (const url of urls) expect((await transport.fetchDocument(get(url), 1000)).status).toBe(200);
    expect(proxy.requests.map(({ method, target }) => `${method} ${target}`)).toEqual(urls.map((url) => `GET ${url}`));
    expect(registry.requests.map(({ url, headers }) => `${headers['host']}${url}`)).toEqual(
      urls.map((url) => url.replace('http://', '')),
    );
  });

  it('goes on with the very byte after a break', async () => {
    const proxy = await startProxy();
    const registry = await startRegistry();
    const path = `/v2/a/blobs/${registry.addBlob(BLOB)}`;
    registry.inject({ match: /blobs/, action: { kind: 'close', afterBytes: 100_000 } });
    const stream = collecting(get(`http://registry.example:${registry.port}${path}`), BLOB.length);
    await streamBlob(open({ proxy: { http: proxy.url } }), stream);
    expect(stream.received().equals(BLOB)).toBe(true);
    expect(proxy.requests).toHaveLength(2);
  });

  it.each([
    ['leads to a server without TLS', []],
    ['is forbidden', [{ kind: 'answer', status: 403 }]],
  ] as const)('is what a registry is asked in where http is allowed and the tunnel %s', async (_, faults) => {
    const proxy = await startProxy();
    const registry = await startRegistry();
    const manifest = Buffer.from('{"schemaVersion":2}');
    registry.addManifest('team/app', manifest, 'text/x', 'latest');
    proxy.inject(...faults);
    const { source, close } = openSource(registry, {
      domain: `registry.example:${registry.port}`,
      transport: { proxy: { https: proxy.url, http: proxy.url } },
    });
    opened.defer(close);
    expect(Buffer.from((await source.fetchManifest('latest')).rawBytes).equals(manifest)).toBe(true);
    expect(proxy.requests.map(({ method }) => method)).toEqual(['CONNECT', 'GET', 'GET']);
  });
});

describe('each hop is decided on its own:', () => {
  it('this machine and what no_proxy names are reached without the proxy', async () => {
    const proxy = await startProxy();
    const registry = await startRegistry({ tls: certificates.server });
    const named = { https: proxy.url, http: proxy.url };
    const transport = open({ proxy: named });
    expect((await transport.fetchDocument(get(`${registry.origin}/v2/`), 1000)).status).toBe(200);
    // Without the proxy, the name cannot be resolved.
    const exempt = open({ proxy: { ...named, noProxy: 'example' }, limits: { maxTries: 1 } });
    await expectFailure('HTTP_UNAVAILABLE', () => exempt.fetchDocument(get(secureUrl(registry)), 1000));
    expect(proxy.requests).toEqual([]);
  });

  it('a redirect may lead from one proxy to the other, each with its own credentials', async () => {
    const [plain, secure] = [await startProxy({ account: 'plain:one' }), await startProxy({ account: 'secure:two' })];
    const [registry, cdn] = [await startRegistry(), await startSecureRegistry()];
    const location = secureUrl(cdn, 'cdn.example');
    registry.inject({ match: /./, action: { kind: 'answer', status: 307, headers: { location } } });
    const proxies = { http: plain.urlWith('plain:one'), https: secure.urlWith('secure:two') };
    const request = get(`http://registry.example:${registry.port}/v2/`, { authorization: 'Basic b3JpZ2lu' });
    expect(await open({ proxy: proxies }).fetchDocument(request, 1000)).toMatchObject({
      status: 200,
      redirected: true,
    });
    const sent = [plain, secure].map(({ requests }) => requests.map(({ headers }) => headers['proxy-authorization']));
    expect(sent).toEqual([['Basic cGxhaW46b25l'], ['Basic c2VjdXJlOnR3bw==']]);
    expect(cdn.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined]);
  });

  it('a redirect away from the proxy takes none of its credentials along', async () => {
    const proxy = await startProxy({ account: ACCOUNT });
    const [registry, direct] = [await startRegistry(), await startRegistry()];
    registry.inject({
      match: /./,
      action: { kind: 'answer', status: 307, headers: { location: `${direct.origin}/v2/` } },
    });
    const transport = open({ proxy: { http: proxy.urlWith(USERINFO) } });
    expect((await transport.fetchDocument(get(`http://10.1.2.3:${registry.port}/v2/`), 1000)).status).toBe(200);
    expect(proxy.requests).toHaveLength(1);
    expect(Object.keys(direct.requests[0]?.headers ?? {})).not.toContain('proxy-authorization');
  });
});

describe('credentials', () => {
  it('of the proxy never reach the server, and those of the server never the proxy', async () => {
    const proxy = await startProxy({ account: ACCOUNT });
    const registry = await startSecureRegistry();
    const transport = open({ proxy: { https: proxy.urlWith(USERINFO) } });
    const secret = 'Bearer a-secret-of-the-registry';
    await transport.fetchDocument(get(secureUrl(registry), { authorization: secret }), 1000);
    expect(proxy.requests[0]?.headers['proxy-authorization']).toBe(`Basic ${ENCODED}`);
    expect(JSON.stringify(proxy.requests)).not.toContain('a-secret-of-the-registry');
    const tunnelled = Buffer.concat(proxy.tunnelled).toString('latin1');
    expect(tunnelled).toContain('registry.example');
    expect(tunnelled).not.toContain('a-secret-of-the-registry');
    expect(registry.requests[0]?.headers['authorization']).toBe(secret);
    expect(JSON.stringify(registry.requests)).not.toMatch(new RegExp(`proxy-auth|${ENCODED}`, 'i'));
  });

  it.each([
    ['no', ''],
    ['wrong', 'mate:p%40ss'],
  ])('%s ones for a proxy that wants some are refused, once and with the remedy', async (_, userinfo) => {
    const proxy = await startProxy({ account: ACCOUNT });
    const registry = await startSecureRegistry();
    const url = userinfo === '' ? proxy.url : proxy.urlWith(userinfo);
    const transport = open({ proxy: { https: url, http: url } });
    const requests = [get(secureUrl(registry)), get('http://registry.example/v2/')];
    for (const request of requests) {
      const error = await expectFailure('HTTP_PROXY_AUTH_REQUIRED', () => transport.fetchDocument(request, 1000));
      expect(error.message).toBe(`GET ${request.url}: proxy ${proxy.host}: status 407`);
      expect(error.kind).toBe('unauthorized');
      expect(error.context).toEqual({ proxy: proxy.host, proxyStatus: 407 });
      expectNoCredentials(error);
    }
    expect(proxy.requests).toHaveLength(2);
    expect(clock.pauses).toEqual([]);
  });
});

describe('a proxy that fails', () => {
  const broken = [
    ['is overloaded', { kind: 'answer', status: 503 }],
    ['cannot reach the server', { kind: 'answer', status: 502 }],
    ['closes instead of an answer', { kind: 'raw', bytes: '', close: true }],
    ['closes inside of its answer', { kind: 'raw', bytes: 'HTTP/1.1 200 OK\r\nX: ', close: true }],
    ['closes the tunnel when it is used', { kind: 'cut' }],
    ['says nothing', { kind: 'silence' }],
    ['does not end its answer', { kind: 'raw', bytes: 'HTTP/1.1 200 OK\r\nX: ', close: false }],
  ] as const;

  it.each(broken)('because it %s is asked again', async (_, fault) => {
    const proxy = await startProxy({ account: ACCOUNT });
    const registry = await startSecureRegistry();
    const options = { proxy: { https: proxy.urlWith(USERINFO) }, limits: { connectTimeoutMs: 2_000, maxTries: 2 } };
    proxy.inject(fault);
    expect((await open(options).fetchDocument(get(secureUrl(registry)), 1000)).status).toBe(200);
    proxy.inject(fault, fault);
    const error = await expectFailure('HTTP_UNAVAILABLE', () =>
      open(options).fetchDocument(get(secureUrl(registry)), 9),
    );
    expectNoCredentials(error);
    const inside = fault.kind === 'cut';
    expect(error.message).toContain(`GET ${secureUrl(registry)}: ${inside ? 'through ' : ''}proxy ${proxy.host}: `);
    expect(error.context['proxy']).toBe(proxy.host);
    // A connection that breaks inside the tunnel may be the fault of the server.
    if (!inside) expect(error.hint).toContain('no_proxy');
    expect(clock.pauses).toEqual([500, 500]);
    expect(proxy.requests).toHaveLength(4);
    await until(() => proxy.openConnections <= 2);
  });

  it.each([
    ['which is not there', 'http'],
    ['which does not speak TLS', 'https'],
  ])('%s is named, with the remedy', async (_, scheme) => {
    const server = createServer((socket) => socket.on('error', () => undefined).destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const closed = once(server, 'close');
    if (scheme === 'http') server.close();
    const url = `${scheme}://${USERINFO}@${host}`;
    const transport = open({ proxy: { https: url, http: url }, limits: { maxTries: 2 } });
    for (const target of ['https://registry.example/v2/', 'http://registry.example/v2/']) {
      const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get(target), 1000));
      expect(error.message).toContain(`GET ${target}: proxy ${host}: `);
      expect(error.hint).toContain('check that the proxy is running');
      expectNoCredentials(error);
    }
    expect(clock.pauses).toEqual([500, 500]);
    if (scheme !== 'http') server.close();
    await closed;
  });

  const limit = DEFAULT_LIMITS.maxProxyHeadBytes;
  const refused = [
    ['forbids the tunnel', { kind: 'answer', status: 403 }, 'HTTP_PROXY_REFUSED'],
    ['knows no tunnels', { kind: 'answer', status: 405 }, 'HTTP_PROXY_REFUSED'],
    ['sends us elsewhere', { kind: 'answer', status: 302 }, 'HTTP_PROXY_REFUSED'],
    ['does not speak HTTP', { kind: 'raw', bytes: 'SSH-2.0-OpenSSH\r\n', close: false }, 'HTTP_RESPONSE_INVALID'],
    [
      'sends too long a head',
      { kind: 'raw', bytes: `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(limit)}`, close: false },
      'HTTP_RESPONSE_INVALID',
    ],
    [
      'speaks before the server does',
      { kind: 'raw', bytes: 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', close: false },
      'HTTP_RESPONSE_INVALID',
    ],
  ] as const;

  it.each(refused)('because it %s is not asked again', async (_, fault, code) => {
    const proxy = await startProxy({ account: ACCOUNT });
    const registry = await startSecureRegistry();
    const transport = open({ proxy: { https: proxy.urlWith(USERINFO) } });
    proxy.inject(fault);
    const error = await expectFailure(code, () => transport.fetchDocument(get(secureUrl(registry)), 1000));
    expect(error.message).toContain(`GET ${secureUrl(registry)}: proxy ${proxy.host}: `);
    expect(error.context['proxy']).toBe(proxy.host);
    expectNoCredentials(error);
    expect(clock.pauses).toEqual([]);
    await until(() => proxy.openConnections === 0);
    // The same transport still works.
    expect((await transport.fetchDocument(get(secureUrl(registry)), 1000)).status).toBe(200);
  });

  it('takes a head of just less than the limit', async () => {
    const proxy = await startProxy();
    const head = 'HTTP/1.1 403 No\r\nX: ';
    proxy.inject({ kind: 'raw', bytes: `${head}${'x'.repeat(limit - head.length - 8)}\r\n\r\n`, close: false });
    const transport = open({ proxy: { https: proxy.url } });
    await expectFailure('HTTP_PROXY_REFUSED', () => transport.fetchDocument(get('https://registry.example/'), 9));
  });
});

describe('cancelling', () => {
  async function expectPrompt(proxy: ForwardProxy, url: string, reached: () => boolean): Promise<void> {
    const transport = open({ proxy: { https: proxy.url, http: proxy.url }, limits: LONG, clock: SYSTEM_CLOCK });
    const controller = new AbortController();
    const stream = { ...collecting(get(url), 1), signal: controller.signal };
    const outcome = expectFailure('PULL_CANCELLED', () => streamBlob(transport, stream));
    await until(reached);
    const before = performance.now();
    controller.abort();
    await outcome;
    expect(performance.now() - before).toBeLessThan(AT_ONCE_MS);
    await until(() => proxy.openConnections === 0);
  }

  it.each(['https', 'http'])('while the proxy is silent closes the connection for %s', async (scheme) => {
    const proxy = await startProxy();
    proxy.inject({ kind: 'silence' });
    await expectPrompt(proxy, `${scheme}://registry.example/v2/`, () => proxy.requests.length > 0);
  });

  it('while the proxy does not finish its handshake closes the connection', async () => {
    const mute = createServer((socket) => socket.on('error', () => undefined).resume());
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const url = `https://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const transport = open({ proxy: { https: url }, limits: LONG, clock: SYSTEM_CLOCK });
    const controller = new AbortController();
    const { signal } = controller;
    const outcome = expectFailure('PULL_CANCELLED', () =>
      transport.fetchDocument(get('https://registry.example/v2/'), 9, signal),
    );
    const [socket] = await once(mute, 'connection');
    controller.abort();
    await outcome;
    await once(socket, 'close');
    mute.close();
  });

  it('while the server does not finish its handshake closes the tunnel', async () => {
    const proxy = await startProxy();
    const mute = createServer((socket) => socket.on('error', () => undefined).resume());
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    await expectPrompt(proxy, `https://registry.example:${port}/v2/`, () => proxy.tunnelled.length > 0);
    mute.close();
  });

  it('in the body closes the tunnel', async () => {
    const proxy = await startProxy();
    const registry = await startSecureRegistry();
    const transport = open({ proxy: { https: proxy.url }, limits: LONG, clock: SYSTEM_CLOCK });
    const controller = new AbortController();
    registry.inject({ match: /./, action: { kind: 'stall', afterBytes: 1000 } });
    const url = `${secureUrl(registry)}a/blobs/${registry.addBlob(BLOB)}`;
    const stream = { ...collecting(get(url), BLOB.length), signal: controller.signal };
    const outcome = expectFailure('PULL_CANCELLED', () => streamBlob(transport, stream));
    await until(() => stream.received().length === 1000);
    controller.abort();
    await outcome;
    await until(() => proxy.openConnections === 0);
  });
});
