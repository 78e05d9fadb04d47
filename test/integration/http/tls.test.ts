import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toPlainError } from '../../../src/errors/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import {
  get,
  type QuickTransportOptions,
  quickTransport,
  recordingClock,
} from '../../support/registries/http-fixture.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

let certificates: TestCertificates;
const opened: FakeRegistry[] = [];

beforeAll(() => {
  certificates = makeTestCertificates();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((registry) => registry.close()));
});

async function start(tls?: { key: string; cert: string }): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(tls === undefined ? {} : { tls });
  opened.push(registry);
  return registry;
}

async function ping(registry: FakeRegistry, options: QuickTransportOptions, request = {}) {
  const transport = quickTransport(options);
  try {
    return await transport.fetchDocument({ ...get(`${registry.origin}/v2/`), allowHttp: false, ...request }, 1000);
  } finally {
    await transport.close();
  }
}

describe('an error of TLS', () => {
  const tryOnce = async (registry: FakeRegistry, options: QuickTransportOptions = {}) => {
    const clock = recordingClock();
    const error = await expectFailure('HTTP_UNAVAILABLE', () => ping(registry, { clock, ...options }));
    expect(clock.pauses).toEqual([]);
    expect(error.message).toMatch(/, gave up after 1 try$/);
    expect(`${error.message} ${error.hint}`).not.toMatch(/openssl|node|routines|0A00|NODE_|use-system-ca/i);
    expect(toPlainError(error).causes).toEqual([]);
    expect(registry.requests).toEqual([]);
    return error;
  };
  const named = (registry: FakeRegistry, sentence: string) =>
    `GET https://${registry.host}/v2/: ${sentence}, gave up after 1 try`;

  it('names a self-signed certificate and the way out', async () => {
    const registry = await start(certificates.selfSigned);
    const error = await tryOnce(registry);
    expect(error.message).toBe(named(registry, 'the certificate of the server is self-signed'));
    for (const words of ['--cert-dir', 'certs.d', '--tls-verify=false']) expect(error.hint).toContain(words);
  });

  it('names an unknown authority and the way out', async () => {
    const registry = await start(certificates.server);
    const error = await tryOnce(registry);
    const sentence = 'the certificate of the server is from an authority that is not trusted here';
    expect(error.message).toBe(named(registry, sentence));
    for (const words of ['--cert-dir', 'certs.d', '--tls-verify=false']) expect(error.hint).toContain(words);
  });

  it('names the names of a certificate for another host', async () => {
    const registry = await start(certificates.wrongName);
    const error = await tryOnce(registry, { extraRoots: [certificates.authority] });
    const sentence = 'the certificate of the server is for other names: "DNS:other.example"';
    expect(error.message).toBe(named(registry, sentence));
    expect(error.hint).toContain('--tls-verify=false');
  });

  it('names an expired certificate and the clock', async () => {
    const registry = await start(certificates.expired);
    const error = await tryOnce(registry, { extraRoots: [certificates.authority] });
    expect(error.message).toBe(named(registry, 'the certificate of the server has expired'));
    expect(error.hint).toContain('clock');
  });

  it('names a server that speaks plain http', async () => {
    const registry = await start();
    const clock = recordingClock();
    const transport = quickTransport({ clock });
    const request = { ...get(`https://${registry.host}/v2/`), allowHttp: false };
    const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(request, 1000));
    await transport.close();
    expect(error.message).toBe(named(registry, 'the server does not speak https on this port'));
    expect(error.hint).toContain('--tls-verify=false');
    expect(toPlainError(error).causes).toEqual([]);
    expect(clock.pauses).toEqual([]);
  });

  it('after a redirect names the host that it is about', async () => {
    const target = await start(certificates.server);
    const registry = await start();
    const headers = { location: `${target.origin}/blob` };
    registry.inject({ match: /./, action: { kind: 'answer', status: 307, headers } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => ping(registry, {}, { allowHttp: true }));
    expect(error.message).toContain(`: redirected to ${target.host}: the certificate of the server is from`);
  });
});

describe('https', () => {
  it('accepts a server whose authority is an extra root', async () => {
    const registry = await start(certificates.server);
    expect((await ping(registry, { extraRoots: [certificates.authority] })).status).toBe(200);
  });

  it('refuses a server of an unknown authority, at once and with the remedy', async () => {
    const clock = recordingClock();
    const registry = await start(certificates.server);
    const error = await expectFailure('HTTP_UNAVAILABLE', () => ping(registry, { clock }));
    expect(error.hint).toContain('extra root');
    expect(clock.pauses).toEqual([]);
    expect(registry.requests).toEqual([]);
  });

  it('trusts the extra roots alone where the system’s are not wanted, and nobody without any', async () => {
    const registry = await start(certificates.server);
    const alone = { systemRoots: false, extraRoots: [certificates.authority] };
    expect((await ping(registry, alone)).status).toBe(200);
    await expectFailure('HTTP_UNAVAILABLE', () => ping(registry, { systemRoots: false }));
  });

  it('refuses a server with a certificate for another name', async () => {
    const registry = await start(certificates.wrongName);
    await expectFailure('HTTP_UNAVAILABLE', () => ping(registry, { extraRoots: [certificates.authority] }));
    expect(registry.requests).toEqual([]);
  });

  it('accepts both without verification', async () => {
    expect((await ping(await start(certificates.server), { tlsVerify: false })).status).toBe(200);
    expect((await ping(await start(certificates.wrongName), { tlsVerify: false })).status).toBe(200);
  });

  it('is not left by a redirect, not even where http is allowed', async () => {
    const registry = await start(certificates.server);
    const plain = await start();
    const location = `${plain.origin}/v2/`;
    registry.inject({ match: /./, action: { kind: 'answer', status: 307, headers: { location } } });
    await expectFailure('HTTP_REDIRECT_REFUSED', () => ping(registry, { tlsVerify: false }, { allowHttp: true }));
    expect(plain.requests).toEqual([]);
  });

  it('may be reached from http by a redirect, which drops the credentials', async () => {
    const registry = await start(certificates.server);
    const plain = await start();
    const location = `${registry.origin}/v2/`;
    plain.inject({ match: /./, action: { kind: 'answer', status: 307, headers: { location } } });
    const request = { allowHttp: true, headers: { authorization: 'Basic c2VjcmV0' } };
    expect(await ping(plain, { tlsVerify: false }, request)).toMatchObject({ status: 200, redirected: true });
    expect(registry.requests[0]?.headers['authorization']).toBeUndefined();
  });

  it('tries again when the handshake hangs or the server closes instead', async () => {
    const clock = recordingClock();
    const mute = createServer((socket) => socket.on('error', () => undefined).resume());
    const slamming = createServer((socket) => socket.on('error', () => undefined).destroy());
    for (const server of [mute, slamming]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const transport = quickTransport({ clock, limits: { connectTimeoutMs: 100, maxTries: 2 } });
      await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get(`https://127.0.0.1:${port}/`), 100));
      await transport.close();
      server.close();
    }
    expect(clock.pauses).toEqual([500, 500]);
  });

  it('is not what an address without a possible port lacks', async () => {
    const transport = quickTransport({});
    const request = { ...get('https://registry.example:99999/v2/'), allowHttp: false };
    const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(request, 1000));
    expect(error.message).toContain('not a URL');
    expect(error.hint).not.toContain('tls-verify');
    await transport.close();
  });

  it('refuses an extra root that is no certificate', async () => {
    await expectFailure('CONFIG_FILE_INVALID', () => quickTransport({ extraRoots: ['-----BEGIN NONSENSE-----'] }));
  });
});
