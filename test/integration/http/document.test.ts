import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transport } from '../../../src/http/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import {
  get,
  IMPATIENT,
  quickTransport,
  type RecordingClock,
  recordingClock,
} from '../../support/registries/http-fixture.ts';

const DOCUMENT = Buffer.from('{"schemaVersion":2}');
const ANY = /./;

let registry: FakeRegistry;
let transport: Transport;
let clock: RecordingClock;
let url: string;

beforeEach(async () => {
  registry = await startFakeRegistry();
  clock = recordingClock();
  transport = quickTransport({ clock });
  registry.addManifest('team/app', DOCUMENT, 'application/vnd.oci.image.manifest.v1+json', 'latest');
  url = `${registry.origin}/v2/team/app/manifests/latest`;
});

afterEach(async () => {
  await transport.close();
  await registry.close();
});

describe('fetchDocument', () => {
  it('returns status, headers and body', async () => {
    const response = await transport.fetchDocument(get(url, { accept: 'a/b' }), 1000);
    expect(response).toMatchObject({ status: 200, redirected: false });
    expect(Buffer.from(response.body)).toEqual(DOCUMENT);
    expect(response.headers['content-type']).toEqual(['application/vnd.oci.image.manifest.v1+json']);
    expect(registry.requests[0]?.headers).toMatchObject({ accept: 'a/b', 'accept-encoding': 'identity' });
  });

  it('is plain data that can be sent to another thread', async () => {
    const response = await transport.fetchDocument(get(url), 1000);
    expect(structuredClone(response)).toEqual(response);
  });

  it('takes a document of just the size allowed and none beyond', async () => {
    expect((await transport.fetchDocument(get(url), DOCUMENT.length)).body).toHaveLength(DOCUMENT.length);
    await expectFailure('HTTP_RESPONSE_INVALID', () => transport.fetchDocument(get(url), DOCUMENT.length - 1));
  });

  it('stops an endless body at the cap', async () => {
    registry.inject({ match: ANY, action: { kind: 'endless' } });
    await expectFailure('HTTP_RESPONSE_INVALID', () => transport.fetchDocument(get(url), 100_000));
  });

  it('returns a body that only says it is encoded as it is', async () => {
    registry.inject({ match: ANY, action: { kind: 'headers', headers: { 'content-encoding': 'gzip' } } });
    const response = await transport.fetchDocument(get(url), 1000);
    expect(Buffer.from(response.body)).toEqual(DOCUMENT);
    expect(response.decodedBody).toBeUndefined();
  });

  it('returns a body with gzip as it was sent and decoded, within the size allowed', async () => {
    const action = { kind: 'encode', encoding: 'gzip', encode: gzipSync } as const;
    registry.inject({ match: ANY, times: 2, action });
    const response = await transport.fetchDocument(get(url), 1000);
    expect(Buffer.from(response.decodedBody ?? [])).toEqual(DOCUMENT);
    expect(Buffer.from(response.body)).toEqual(gzipSync(DOCUMENT));
    const { length } = gzipSync(Buffer.alloc(1000));
    registry.forgetFaults();
    registry.inject({ match: ANY, action: { ...action, encode: () => gzipSync(Buffer.alloc(1000)) } });
    expect((await transport.fetchDocument(get(url), 1000)).decodedBody).toHaveLength(1000);
    registry.inject({ match: ANY, action: { ...action, encode: () => gzipSync(Buffer.alloc(1001)) } });
    expect(length).toBeLessThan(1000);
    expect((await transport.fetchDocument(get(url), 1000)).decodedBody).toBeUndefined();
  });

  it.each([400, 401, 403, 404, 418])(
    'returns status %i with the start of its body and without another try',
    async (status) => {
      registry.inject({ match: ANY, action: { kind: 'answer', status, body: 'x'.repeat(100_000) } });
      const response = await transport.fetchDocument(get(url), 1_000_000);
      expect(response.status).toBe(status);
      expect(response.body).toHaveLength(65_536);
      expect(clock.pauses).toEqual([]);
    },
  );

  it('keeps all values of a header that came several times', async () => {
    const bytes =
      'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="a"\r\nwww-authenticate: Bearer realm="b"\r\nContent-Length: 0\r\n\r\n';
    registry.inject({ match: ANY, action: { kind: 'raw', bytes } });
    const { headers } = await transport.fetchDocument(get(url), 1000);
    expect(headers['www-authenticate']).toEqual(['Basic realm="a"', 'Bearer realm="b"']);
  });

  it.each([408, 429, 500, 503])('asks again after status %i', async (status) => {
    registry.inject({ match: ANY, action: { kind: 'answer', status } });
    expect((await transport.fetchDocument(get(url), 1000)).status).toBe(200);
    expect(clock.pauses).toEqual([500]);
  });

  it.each(['reset', 'close', 'stall'] as const)('starts over after a %s inside the body', async (kind) => {
    const impatient = quickTransport({ clock, limits: IMPATIENT });
    registry.inject({ match: ANY, action: { kind, afterBytes: 5 } });
    expect(Buffer.from((await impatient.fetchDocument(get(url), 1000)).body)).toEqual(DOCUMENT);
    await impatient.close();
  });

  it('gives up on a document that trickles beyond its time', async () => {
    const slow = quickTransport({ clock, limits: { documentTimeoutMs: 150, maxTries: 1 } });
    registry.inject({ match: ANY, action: { kind: 'trickle', chunkBytes: 1, everyMs: 50 } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => slow.fetchDocument(get(url), 1000));
    expect(error.message).toContain('150 ms');
    await slow.close();
  });

  it('asks only as often as the request says', async () => {
    registry.inject({ match: ANY, times: 9, action: { kind: 'answer', status: 503 } });
    await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument({ ...get(url), tries: 1 }, 1000));
    expect(registry.requests).toHaveLength(1);
  });

  it('refuses plain http where it is not allowed, before a connection is made', async () => {
    await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument({ ...get(url), allowHttp: false }, 1000));
    expect(registry.requests).toEqual([]);
  });
});

describe('fetchDocument and the words of the server', () => {
  it('puts them into the error of the last try', async () => {
    const body = '{"errors":[{"code":"TOOMANYREQUESTS","message":"pull limit"}]}';
    registry.inject({ match: ANY, times: 9, action: { kind: 'answer', status: 429, body } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => transport.fetchDocument(get(url), 1000));
    expect(error.message).toBe(`GET ${url}: status 429 (TOOMANYREQUESTS: pull limit), gave up after 5 tries`);
    expect(error.hint).toContain('give credentials for it, use a mirror, or pull again later');
  });

  it('asks for another address, once, where a redirect led to one that has expired', async () => {
    const storage = await startFakeRegistry();
    const location = `${storage.origin}/signed`;
    registry.inject({ match: ANY, times: 9, action: { kind: 'answer', status: 307, headers: { location } } });
    storage.inject({ match: ANY, action: { kind: 'answer', status: 403, body: 'expired' } });
    storage.inject({ match: ANY, action: { kind: 'answer', status: 200, body: 'whole' } });
    storage.inject({ match: ANY, times: 9, action: { kind: 'answer', status: 403, body: 'expired' } });
    const first = await transport.fetchDocument(get(url), 1000);
    expect([first.status, Buffer.from(first.body).toString()]).toEqual([200, 'whole']);
    const second = await transport.fetchDocument(get(url), 1000);
    expect(second).toMatchObject({ status: 403, redirected: true, redirectedTo: storage.host });
    expect(storage.requests).toHaveLength(4);
    await storage.close();
  });
});
