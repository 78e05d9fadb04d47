import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeRegistry, startFakeRegistry } from '../../../support/registries/fake-registry.ts';

const BYTES = Buffer.from('0123456789');

let registry: FakeRegistry;
let url: string;

beforeEach(async () => {
  registry = await startFakeRegistry();
  url = `${registry.origin}/v2/a/b/blobs/${registry.addBlob(BYTES)}`;
});

afterEach(() => registry.close());

describe('the fake registry', () => {
  it('serves what it was given, by tag and digest, and records who asked', async () => {
    const digest = registry.addManifest('a/b', BYTES, 'text/x', 'v1');
    for (const name of ['v1', digest]) {
      const response = await fetch(`${registry.origin}/v2/a/b/manifests/${name}`, { headers: { 'x-asked': name } });
      expect(Buffer.from(await response.arrayBuffer())).toEqual(BYTES);
      expect(response.headers.get('docker-content-digest')).toBe(digest);
    }
    expect(registry.requestsTo(/manifests\/v1/)[0]?.headers['x-asked']).toBe('v1');
    expect((await fetch(`${registry.origin}/v2/a/b/manifests/v2`)).status).toBe(404);
  });

  it('answers ranges', async () => {
    const response = await fetch(url, { headers: { range: 'bytes=7-' } });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe('bytes 7-9/10');
    expect(await response.text()).toBe('789');
    expect((await fetch(url, { headers: { range: 'bytes=10-' } })).status).toBe(416);
  });

  it('applies a fault as often as it was told, then serves again', async () => {
    registry.inject({ match: /blobs/, times: 2, action: { kind: 'answer', status: 500 } });
    const statuses = [await fetch(url), await fetch(url), await fetch(url)].map(({ status }) => status);
    expect(statuses).toEqual([500, 500, 200]);
  });

  it('alters bodies on the wire', async () => {
    registry.inject({ match: /blobs/, action: { kind: 'alter', alter: (body) => body.subarray(1) } });
    expect(await (await fetch(url)).text()).toBe('123456789');
  });

  it.each(['reset', 'close'] as const)('breaks off with a %s', async (kind) => {
    registry.inject({ match: /blobs/, action: { kind, afterBytes: 3 } });
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
    expect(await (await fetch(url)).text()).toBe('0123456789');
  });

  it('counts the requests that a fault has met', async () => {
    const fault = registry.inject({ match: /blobs/, times: 5, action: { kind: 'answer', status: 500 } });
    for (let count = 0; count < 2; count += 1) await (await fetch(url)).text();
    expect(fault.hits).toBe(2);
    await fetch(`${registry.origin}/v2/`);
    expect(fault.hits).toBe(2);
  });

  it('hangs up before it answers', async () => {
    registry.inject({ match: /blobs/, action: { kind: 'hang-up' } });
    const error = await fetch(url).catch((cause: unknown) => cause);
    expect(String((error as Error).cause)).toMatch(/ECONNRESET|closed/);
  });

  it('sends the same without an end, and heads of a status without an end', async () => {
    registry.inject({ match: /blobs/, action: { kind: 'endless', status: 404 } });
    const response = await fetch(url);
    expect(response.status).toBe(404);
    const reader = response.body?.getReader();
    for (let bytes = 0; bytes < 1_000_000; ) bytes += (await reader?.read())?.value?.length ?? 0;
    await reader?.cancel();

    registry.inject({ match: /blobs/, action: { kind: 'flood', bytes: 'HTTP/1.1 103 Early Hints\r\n\r\n' } });
    const socket = connect(registry.port, '127.0.0.1');
    socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: x\r\n\r\n`);
    let heads = 0;
    for await (const chunk of socket) {
      heads += String(chunk).split('103').length - 1;
      if (heads > 10) break;
    }
    expect(heads).toBeGreaterThan(10);
  });

  it('tells when nobody waits any more, and when everybody is gone', async () => {
    registry.inject({ match: /blobs/, action: { kind: 'silence' } });
    const patience = new AbortController();
    const asked = fetch(url, { signal: patience.signal }).catch(() => 'given up');
    while (registry.requests.length === 0) await setImmediate();
    expect([registry.openConnections, registry.connections]).toEqual([1, 1]);
    patience.abort();
    expect(await asked).toBe('given up');
    await registry.settled();
    await registry.disconnected();
    expect(registry.openConnections).toBe(0);
  });

  it('hands out tokens for a password and refuses without', async () => {
    const closed = await startFakeRegistry({ auth: { kind: 'bearer', account: 'user:pass' } });
    const token = `${closed.origin}/token?scope=repository:a:pull`;
    expect((await fetch(token)).status).toBe(401);
    const authorization = `Basic ${Buffer.from('user:pass').toString('base64')}`;
    const granted = (await (await fetch(token, { headers: { authorization } })).json()) as { token: string };
    const blob = `${closed.origin}/v2/a/blobs/${closed.addBlob(BYTES)}`;
    expect((await fetch(blob)).headers.get('www-authenticate')).toContain('Bearer realm=');
    expect((await fetch(blob, { headers: { authorization: `Bearer ${granted.token}` } })).status).toBe(200);
    const other = `${closed.origin}/v2/b/blobs/${closed.addBlob(BYTES)}`;
    expect((await fetch(other, { headers: { authorization: `Bearer ${granted.token}` } })).status).toBe(401);
    closed.revokeTokens();
    expect((await fetch(blob, { headers: { authorization: `Bearer ${granted.token}` } })).status).toBe(401);
    await closed.close();
  });
});
