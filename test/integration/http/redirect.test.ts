import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transport } from '../../../src/http/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { collecting, get, quickTransport, streamBlob } from '../../support/registries/http-fixture.ts';

const BLOB = randomBytes(100_000);
const SECRET = 'Bearer very-secret';

let registry: FakeRegistry;
let storage: FakeRegistry;
let transport: Transport;
let path: string;

beforeEach(async () => {
  registry = await startFakeRegistry();
  storage = await startFakeRegistry();
  transport = quickTransport();
  path = `/v2/team/app/blobs/${registry.addBlob(BLOB)}`;
  storage.addBlob(BLOB);
});

afterEach(async () => {
  await transport.close();
  await Promise.all([registry.close(), storage.close()]);
});

function redirect(from: FakeRegistry, location: string, status = 307, times = 1): void {
  from.inject({ match: /./, times, action: { kind: 'answer', status, headers: { location }, body: 'see there' } });
}

function fetchBlob() {
  return transport.fetchDocument(get(`${registry.origin}${path}`, { authorization: SECRET, 'x-own': '1' }), 1_000_000);
}

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('of status %i to the same origin keeps the credentials', async (status) => {
    redirect(registry, `${path}?moved=1`, status);
    const response = await fetchBlob();
    expect(response).toMatchObject({ status: 200, redirected: false });
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([SECRET, SECRET]);
  });

  it('to another port drops the credentials and every header of ours that is not needed', async () => {
    redirect(registry, `${storage.origin}${path}`);
    const response = await fetchBlob();
    expect(Buffer.from(response.body)).toEqual(BLOB);
    expect(response.redirected).toBe(true);
    expect(Object.keys(storage.requests[0]?.headers ?? {}).sort()).toEqual([
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
  });

  it.each([
    ['another name of the same server', (port: number) => `http://localhost:${port}`],
    ['the same name in upper case', (port: number) => `HTTP://LOCALHOST:${port}`],
  ])('to %s drops the credentials', async (_, originAt) => {
    redirect(registry, `${originAt(registry.port)}${path}`);
    expect((await fetchBlob()).redirected).toBe(true);
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([SECRET, undefined]);
  });

  it('back to the first origin does not bring the credentials back', async () => {
    redirect(registry, `${storage.origin}/there`);
    redirect(storage, `${registry.origin}${path}`);
    expect(await fetchBlob()).toMatchObject({ status: 200, redirected: true });
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([SECRET, undefined]);
    expect(storage.requests[0]?.headers['authorization']).toBeUndefined();
  });

  it('never makes us send a cookie', async () => {
    const headers = { location: path, 'set-cookie': 'session=1; Path=/' };
    registry.inject({ match: /./, action: { kind: 'answer', status: 302, headers } });
    await fetchBlob();
    expect(registry.requests.map((request) => request.headers['cookie'])).toEqual([undefined, undefined]);
  });

  it('is followed five times and no further', async () => {
    redirect(registry, path, 307, 5);
    expect((await fetchBlob()).status).toBe(200);
    redirect(registry, path, 307, 6);
    await expectFailure('HTTP_REDIRECT_REFUSED', fetchBlob);
    expect(registry.requests).toHaveLength(6 + 6);
  });

  it.each([
    ['with a user name', 'http://user@127.0.0.1:1/'],
    ['with a password', 'http://user:password@127.0.0.1:1/'],
    ['to a file', 'file:///etc/passwd'],
    ['to nothing that is a URL', 'http://[::1'],
  ])('%s is refused', async (_, location) => {
    redirect(registry, location);
    await expectFailure('HTTP_REDIRECT_REFUSED', fetchBlob);
  });

  it('without Location is refused', async () => {
    registry.inject({ match: /./, action: { kind: 'answer', status: 302 } });
    await expectFailure('HTTP_REDIRECT_REFUSED', fetchBlob);
  });

  it('of a blob starts again at the registry for every part, with the range sent along', async () => {
    redirect(registry, `${storage.origin}${path}?signature=1`);
    storage.inject({ match: /signature=1/, action: { kind: 'close', afterBytes: 1000 } });
    redirect(registry, `${storage.origin}${path}?signature=2`);
    const stream = collecting(get(`${registry.origin}${path}`, { authorization: SECRET }), BLOB.length);
    await streamBlob(transport, stream);
    expect(stream.received().equals(BLOB)).toBe(true);
    expect(storage.requests.map(({ url, headers }) => [url.replace(/.*\?/, ''), headers['range']])).toEqual([
      ['signature=1', undefined],
      ['signature=2', 'bytes=1000-'],
    ]);
    expect(storage.requests.every(({ headers }) => headers['authorization'] === undefined)).toBe(true);
  });

  it('with a long body costs the connection, but not the time to read it', async () => {
    registry.inject({ match: /./, action: { kind: 'headers', headers: {} } });
    registry.inject({
      match: /./,
      action: { kind: 'answer', status: 307, headers: { location: path }, body: 'x'.repeat(10_000_000) },
    });
    await fetchBlob();
    expect((await fetchBlob()).status).toBe(200);
  });
});
