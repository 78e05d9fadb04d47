import { createHash } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CODES } from '../../../src/errors/index.ts';
import { type Descriptor, parseDigest } from '../../../src/oci/index.ts';
import { configBound } from '../../support/builders/config-bound.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  type FaultAction,
  startFakeRegistry,
} from '../../support/registries/fake-registry.ts';
import { openSource, type SourceFixtureOptions } from '../../support/registries/registry-fixture.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const MANIFEST = Buffer.from('{"schemaVersion":2}');
const CONFIG = Buffer.from('{"os":"linux"}');
const MANIFESTS = /\/manifests\//;
const BLOBS = /\/blobs\//;
const PING = /^\/v2\/$/;

const closers: (() => Promise<void>)[] = [];
let certificates: TestCertificates;

beforeAll(() => {
  certificates = makeTestCertificates();
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(options: SourceFixtureOptions = {}, server: FakeRegistryOptions = {}) {
  const registry = await startFakeRegistry(server);
  const { source, close } = openSource(registry, options);
  closers.push(close, () => registry.close());
  const manifestDigest = parseDigest(registry.addManifest('team/app', MANIFEST, MANIFEST_TYPE, 'latest'));
  const configDigest = parseDigest(registry.addBlob(CONFIG));
  return { registry, source, manifestDigest, config: describeBlob(configDigest, CONFIG.length) };
}

function describeBlob(digest: string, size: number): Descriptor {
  return { mediaType: 'x/y', digest: parseDigest(digest), size, annotations: {}, platform: undefined };
}

function corrupt(registry: FakeRegistry, match: RegExp, action: FaultAction): void {
  registry.inject({ match, action });
}

const FLIP: FaultAction = {
  kind: 'alter',
  alter: (body) => Buffer.from(body.map((byte, index) => (index === 3 ? byte ^ 1 : byte))),
};

describe('fetchManifest', () => {
  it('by tag returns the bytes, their own digest and the type, and offers the four types it can read', async () => {
    const { registry, source, manifestDigest } = await setUp();
    const document = await source.fetchManifest('latest');
    expect(Buffer.from(document.rawBytes)).toEqual(MANIFEST);
    expect(document).toMatchObject({ digest: manifestDigest, contentType: MANIFEST_TYPE });
    const accepted = registry.requestsTo(MANIFESTS)[0]?.headers['accept']?.split(', ').sort();
    expect(accepted).toEqual([
      'application/vnd.docker.distribution.manifest.list.v2+json',
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.oci.image.index.v1+json',
      MANIFEST_TYPE,
    ]);
  });

  it('pings once for all requests of a source', async () => {
    const { registry, source, manifestDigest, config } = await setUp();
    await Promise.all([
      source.fetchManifest('latest'),
      source.fetchManifest(manifestDigest),
      source.fetchSmallBlob(config, configBound(99)),
    ]);
    expect(registry.requestsTo(PING)).toHaveLength(1);
  });

  it('pings again after a ping that failed', async () => {
    const { registry, source } = await setUp();
    registry.inject({ match: PING, action: { kind: 'raw', bytes: 'SSH-2.0-OpenSSH_9.9\r\n' } });
    await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchManifest('latest'));
    expect((await source.fetchManifest('latest')).rawBytes).toHaveLength(MANIFEST.length);
  });

  it('takes the type without its parameters, and none for none', async () => {
    const { registry, source } = await setUp();
    corrupt(registry, MANIFESTS, { kind: 'headers', headers: { 'content-type': 'Application/JSON; charset=utf-8' } });
    expect((await source.fetchManifest('latest')).contentType).toBe('application/json');
    corrupt(registry, MANIFESTS, { kind: 'headers', headers: { 'content-type': '' } });
    expect((await source.fetchManifest('latest')).contentType).toBe('');
  });

  it.each([
    ['one changed bit', FLIP],
    ['a missing byte', { kind: 'alter', alter: (body) => body.subarray(1) }],
    ['a byte too many', { kind: 'alter', alter: (body) => Buffer.concat([body, Buffer.from(' ')]) }],
  ] satisfies [string, FaultAction][])('by digest refuses %s', async (_, action) => {
    const { registry, source, manifestDigest } = await setUp();
    corrupt(registry, MANIFESTS, action);
    const error = await expectFailure('MANIFEST_DIGEST_MISMATCH', () => source.fetchManifest(manifestDigest));
    expect(error.message).toContain(manifestDigest);
    expect((await source.fetchManifest(manifestDigest)).digest).toBe(manifestDigest);
  });

  it.each([
    ['', 'text/html with the title "Log in"'],
    ['text/html; charset=utf-8', 'text/html with the title "Log in"'],
  ])('names a web page with the Content-Type %j, by tag, by digest and for a config', async (contentType, words) => {
    const { registry, source, manifestDigest, config } = await setUp();
    const headers: Record<string, string> = contentType === '' ? {} : { 'content-type': contentType };
    const body = '<html><title>Log\n in</title></html>';
    registry.inject({ match: /team/, times: 3, action: { kind: 'answer', status: 200, headers, body } });
    for (const ask of [
      () => source.fetchManifest('latest'),
      () => source.fetchManifest(manifestDigest),
      () => source.fetchSmallBlob(config, configBound(99)),
    ]) {
      const error = await expectFailure('HTTP_STATUS_UNEXPECTED', ask);
      expect(error.message).toContain(`: got ${words}`);
      expect(error.kind).toBe('unavailable');
      expect(error.hint).toContain('a web page');
    }
    expect((await source.fetchManifest(manifestDigest)).digest).toBe(manifestDigest);
  });

  it('shows no token in the title of a web page', async () => {
    const { registry, source } = await setUp({}, { auth: { kind: 'bearer' } });
    await source.fetchManifest('latest');
    const sent = registry.requests.map(({ headers }) => headers.authorization ?? '').find((each) => each !== '') ?? '';
    const token = sent.replace(/^Bearer /, '');
    expect(token.length).toBeGreaterThan(3);
    const body = `<html><title>you sent ${token}</title></html>`;
    registry.inject({ match: MANIFESTS, times: 1, action: { kind: 'answer', status: 200, body } });
    const error = await expectFailure('HTTP_STATUS_UNEXPECTED', () => source.fetchManifest('latest'));
    expect(error.message).toContain('you sent');
    expect(error.message).not.toContain(token);
  });

  it('takes bytes with the right digest whatever their labels say', async () => {
    const { registry, source, manifestDigest, config } = await setUp();
    const headers = { 'content-encoding': 'br', 'content-type': 'text/html' };
    registry.inject({ match: /team/, times: 9, action: { kind: 'headers', headers } });
    expect((await source.fetchManifest(manifestDigest)).digest).toBe(manifestDigest);
    expect((await source.fetchManifest('latest')).digest).toBe(manifestDigest);
    expect(Buffer.from(await source.fetchSmallBlob(config, configBound(99)))).toEqual(CONFIG);
  });

  it.each(['gzip', 'x-gzip', ' GZIP '])(
    'decodes documents that were sent with %s, and hashes them then',
    async (encoding) => {
      const { registry, source, manifestDigest, config } = await setUp();
      const encoded = async (document: Buffer) =>
        registry.inject({
          match: /team/,
          action: { kind: 'encode', encoding, encode: () => gzipSync(document) },
        });
      await encoded(MANIFEST);
      expect((await source.fetchManifest('latest')).digest).toBe(manifestDigest);
      await encoded(MANIFEST);
      expect(Buffer.from((await source.fetchManifest(manifestDigest)).rawBytes)).toEqual(MANIFEST);
      await encoded(CONFIG);
      expect(Buffer.from(await source.fetchSmallBlob(config, configBound(99)))).toEqual(CONFIG);
      await encoded(Buffer.from('{"schemaVersion":3}'));
      await expectFailure('MANIFEST_DIGEST_MISMATCH', () => source.fetchManifest(manifestDigest));
      await encoded(Buffer.from('{"os":"linus"}'));
      await expectFailure('BLOB_DIGEST_MISMATCH', () => source.fetchSmallBlob(config, configBound(99)));
    },
  );

  it('does not decode more than the limit of the document', async () => {
    const { registry, source, manifestDigest, config } = await setUp();
    const bomb = () => gzipSync(Buffer.alloc(16 * 1024 * 1024));
    registry.inject({ match: /team/, times: 3, action: { kind: 'encode', encoding: 'gzip', encode: bomb } });
    const tagged = await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchManifest('latest'));
    expect(tagged.message).toContain('expected JSON, got bytes with Content-Encoding gzip');
    const pinned = await expectFailure('MANIFEST_DIGEST_MISMATCH', () => source.fetchManifest(manifestDigest));
    expect(pinned.message).toContain('with Content-Encoding gzip');
    await expectFailure('BLOB_SIZE_MISMATCH', () => source.fetchSmallBlob(config, configBound(1 << 20)));
  });

  it('by tag refuses bytes in an encoding that it cannot read', async () => {
    const { registry, source } = await setUp();
    const encode = () => brotliCompressSync(MANIFEST);
    corrupt(registry, MANIFESTS, { kind: 'encode', encoding: 'br', encode });
    const error = await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchManifest('latest'));
    expect(error.message).toContain('with Content-Encoding br');
  });

  it('by tag refuses bytes that the registry itself names otherwise', async () => {
    const { registry, source } = await setUp();
    corrupt(registry, MANIFESTS, FLIP);
    await expectFailure('MANIFEST_DIGEST_MISMATCH', () => source.fetchManifest('latest'));
    corrupt(registry, MANIFESTS, { kind: 'headers', headers: { 'docker-content-digest': '' } });
    expect((await source.fetchManifest('latest')).rawBytes).toHaveLength(MANIFEST.length);
  });

  it.each(['sha256:../../x', 'sha256:abc', 'md5:d41d8cd98f00b204e9800998ecf8427e'])(
    'refuses the claimed digest %s',
    async (claim) => {
      const { registry, source } = await setUp();
      corrupt(registry, MANIFESTS, { kind: 'headers', headers: { 'docker-content-digest': claim } });
      await expectFailure('DIGEST_INVALID', () => source.fetchManifest('latest'));
    },
  );

  it('verifies sha512', async () => {
    const { registry, source } = await setUp();
    const digest = `sha512:${createHash('sha512').update(MANIFEST).digest('hex')}`;
    const answer: FaultAction = { kind: 'answer', status: 200, body: MANIFEST.toString() };
    corrupt(registry, MANIFESTS, answer);
    expect((await source.fetchManifest(digest)).digest).toBe(digest);
    corrupt(registry, MANIFESTS, { ...answer, body: `${MANIFEST} ` });
    await expectFailure('MANIFEST_DIGEST_MISMATCH', () => source.fetchManifest(digest));
  });

  it.each(['', '../tags/list', 'a/b', 'sha256:abc', 'a?b', 'a\nb', '.hidden'])('never asks for %j', async (name) => {
    const { registry, source } = await setUp();
    await expectFailure('REFERENCE_INVALID', () => source.fetchManifest(name));
    expect(registry.requests).toEqual([]);
  });

  it('stops an endless manifest', async () => {
    const { registry, source } = await setUp();
    corrupt(registry, MANIFESTS, { kind: 'endless' });
    await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchManifest('latest'));
  });

  it('tells what the registry says about a missing one, cleaned and cut', async () => {
    const { registry, source } = await setUp();
    const missing = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchManifest('none'));
    expect(missing.message).toContain('(MANIFEST_UNKNOWN: manifest unknown)');
    const body = JSON.stringify({
      errors: [{ code: 'DENIED\n\u001b[31m', message: 'x'.repeat(10_000) }, 7, { code: 'TWO' }],
    });
    corrupt(registry, MANIFESTS, { kind: 'answer', status: 403, body });
    const denied = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('none'));
    expect(denied.message).toContain('; TWO)');
    expect(denied.message).not.toMatch(/[\n\u001b]/);
    expect(denied.message.length).toBeLessThan(500);
  });

  it('hides the whole text in which a password of one letter occurs', async () => {
    const { registry, source } = await setUp({ credentials: { kind: 'basic', username: 'user', password: 'e' } });
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access' }, { code: 'NOT_MY_DAY' }] });
    corrupt(registry, MANIFESTS, { kind: 'answer', status: 403, body });
    const denied = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(denied.message).toContain('status 403 (REDACTED; NOT_MY_DAY)');
  });

  it('hints that a page in the place of a missing manifest looks like a web server', async () => {
    const { registry, source } = await setUp();
    const body = '<html><head><title>404 Not Found</title></head></html>';
    corrupt(registry, MANIFESTS, { kind: 'answer', status: 404, headers: { 'content-type': 'text/html' }, body });
    const missing = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchManifest('latest'));
    expect(missing.message).toContain('status 404 (text/html: 404 Not Found)');
    expect(missing.hint).toBe(
      'this looks like a web server and not like a registry, because the answer is a web page: check the host and the port',
    );
    const known = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchManifest('none'));
    expect(known.hint).toBe(CODES.REGISTRY_MANIFEST_UNKNOWN.hint);
  });

  it.each([
    ['HTML', '<html>'],
    ['other JSON', '{"errors":"no"}'],
    ['nothing', ''],
  ])('takes %s as the body of an error', async (_, body) => {
    const { registry, source } = await setUp();
    corrupt(registry, MANIFESTS, { kind: 'answer', status: 404, body });
    await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchManifest('latest'));
  });

  it.each([204, 206, 304, 400, 410])('refuses status %i', async (status) => {
    const { registry, source } = await setUp();
    corrupt(registry, MANIFESTS, { kind: 'answer', status });
    await expectFailure('HTTP_STATUS_UNEXPECTED', () => source.fetchManifest('latest'));
  });
});

describe('fetchSmallBlob', () => {
  it('returns the verified bytes', async () => {
    const { source, config } = await setUp();
    expect(Buffer.from(await source.fetchSmallBlob(config, configBound(CONFIG.length)))).toEqual(CONFIG);
  });

  it.each([
    ['BLOB_DIGEST_MISMATCH', FLIP],
    ['BLOB_SIZE_MISMATCH', { kind: 'alter', alter: (body) => body.subarray(1) }],
    ['BLOB_SIZE_MISMATCH', { kind: 'alter', alter: (body) => Buffer.concat([body, body]) }],
    ['HTTP_RESPONSE_INVALID', { kind: 'endless' }],
    ['REGISTRY_BLOB_UNKNOWN', { kind: 'answer', status: 404 }],
  ] satisfies [string, FaultAction][])('answers %s', async (code, action) => {
    const { registry, source, config } = await setUp();
    corrupt(registry, BLOBS, action);
    const error = await source.fetchSmallBlob(config, configBound(100)).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code });
  });

  it('does not ask for one that is too large', async () => {
    const { registry, source, config } = await setUp();
    const huge = describeBlob(config.digest, Number.MAX_SAFE_INTEGER);
    await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchSmallBlob(huge, configBound(4096)));
    expect(registry.requestsTo(BLOBS)).toEqual([]);
  });

  it('names the limit that the caller gave, and what the blob is', async () => {
    const { registry, source, config } = await setUp();
    const bound = { maxBytes: CONFIG.length - 1, limit: 'maxManifestBytes', what: 'signature' } as const;
    const error = await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchSmallBlob(config, bound));
    expect(error.context).toMatchObject({ limit: 'maxManifestBytes', expected: bound.maxBytes });
    expect(error.message).toContain(`signature ${config.digest} of ${registry.host}/team/app`);
    corrupt(registry, BLOBS, { kind: 'endless' });
    const endless = await expectFailure('HTTP_RESPONSE_INVALID', () =>
      source.fetchSmallBlob(config, { ...bound, maxBytes: CONFIG.length }),
    );
    expect(endless.context).toMatchObject({ limit: 'maxManifestBytes' });
  });
});

describe('blobRequest', () => {
  it('names the blob and carries no credentials where none are wanted', async () => {
    const { registry, source, config } = await setUp();
    const request = await source.blobRequest(config);
    expect(request).toMatchObject({ url: `${registry.origin}/v2/team/app/blobs/${config.digest}`, allowHttp: true });
    expect(request.headers['authorization']).toBeUndefined();
    expect(structuredClone(request)).toEqual(request);
  });
});

describe('https and http', () => {
  it('uses https alone where http is not allowed', async () => {
    const { registry, source } = await setUp({ allowHttp: false });
    await expectFailure('HTTP_UNAVAILABLE', () => source.fetchManifest('latest'));
    expect(registry.requests).toEqual([]);
  });

  it('falls back to http where it is allowed and https does not work, after one try', async () => {
    const { registry, source, config } = await setUp({ allowHttp: true });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
    expect((await source.blobRequest(config)).url.startsWith('http://')).toBe(true);
    expect(registry.requestsTo(PING)).toHaveLength(1);
  });

  it('stays on https where http is allowed and https works, whatever the certificate', async () => {
    const { source, config } = await setUp({ allowHttp: true }, { tls: certificates.wrongName });
    const request = await source.blobRequest(config);
    expect(request.url).toMatch(/^https:/);
    expect(request.allowHttp).toBe(false);
  });

  it('never falls back to http for a certificate that does not verify', async () => {
    const { registry, source } = await setUp({ allowHttp: false }, { tls: certificates.server });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => source.fetchManifest('latest'));
    expect(error.message).toContain('https://');
    expect(registry.requests).toEqual([]);
  });

  it('never falls back to http from an https server that answers, whatever the status', async () => {
    const { registry, source, config } = await setUp({ allowHttp: true }, { tls: certificates.wrongName });
    registry.inject({ match: PING, times: 2, action: { kind: 'answer', status: 503 } });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
    expect((await source.blobRequest(config)).url).toMatch(/^https:/);
    expect(registry.requestsTo(PING)).toHaveLength(1);
  });

  it('works over https with an extra root', async () => {
    const transport = { extraRoots: [certificates.authority] };
    const { source } = await setUp({ allowHttp: false, transport }, { tls: certificates.server });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
  });

  it('says so when neither works', async () => {
    const gone = await startFakeRegistry();
    const { source, close } = openSource(gone);
    closers.push(close);
    // The port must be known before the server goes.
    await gone.close().catch(() => undefined);
    const error = await expectFailure('HTTP_UNAVAILABLE', () => source.fetchManifest('latest'));
    expect(error.message).toContain('https failed before it');
  });
});

describe('the ping', () => {
  const credentials = { kind: 'basic', username: 'user', password: 'pass' } as const;

  it.each([204, 400, 403, 404, 405, 408, 429, 500, 503])('with status %i decides nothing', async (status) => {
    const { registry, source } = await setUp();
    registry.inject({ match: PING, times: 9, action: { kind: 'answer', status, headers: { 'retry-after': '3600' } } });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
    expect(registry.requestsTo(PING)).toHaveLength(1);
  });

  it.each([
    ['that is not served', { kind: 'answer', status: 404 }],
    ['that leads away', { kind: 'answer', status: 302, headers: { location: '/login' } }],
    ['that leads nowhere', { kind: 'answer', status: 302 }],
    ['that is served to every user', { kind: 'answer', status: 200 }],
  ] satisfies [string, FaultAction][])('%s leaves the challenge to the manifest', async (_, action) => {
    const auth = { kind: 'bearer', account: 'user:pass' } as const;
    const { registry, source, config } = await setUp({ credentials }, { auth });
    registry.inject({ match: PING, action });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
    expect((await source.blobRequest(config)).headers['authorization']).toBe('Bearer token-1');
    const asked = registry.requests.map(({ url }) => url.replace(/\?.*/, ''));
    expect(asked).toEqual(['/v2/', '/v2/team/app/manifests/latest', '/token', '/v2/team/app/manifests/latest']);
  });

  it('with status 403 may have a challenge', async () => {
    const auth = { kind: 'bearer', account: 'user:pass' } as const;
    const { registry, source } = await setUp({ credentials }, { auth });
    const headers = { 'www-authenticate': `Bearer realm="${registry.origin}/token"` };
    registry.inject({ match: PING, action: { kind: 'answer', status: 403, headers } });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
    expect(registry.requestsTo(MANIFESTS)).toHaveLength(1);
  });

  it('with status 404 is named when the manifest is missing too', async () => {
    const { registry, source } = await setUp();
    registry.inject({ match: PING, action: { kind: 'answer', status: 404 } });
    const error = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchManifest('none'));
    expect(error.message).toContain('; GET /v2/ had status 404 too, so this may be no registry');
  });

  it('may lead to another host, whose challenge is not answered, and the repository still be open', async () => {
    const { registry, source } = await setUp({ credentials: { kind: 'basic', username: 'user', password: 'pass' } });
    const other = await startFakeRegistry({ auth: { kind: 'bearer' } });
    closers.push(() => other.close());
    const headers = { location: `${other.origin}/v2/` };
    registry.inject({ match: PING, action: { kind: 'answer', status: 307, headers } });
    expect((await source.fetchManifest('latest')).contentType).toBe(MANIFEST_TYPE);
    expect(other.requestsTo(/token/)).toEqual([]);
  });
});

describe('cancelling', () => {
  it('ends a request at once', async () => {
    const { registry, source } = await setUp();
    registry.inject({ match: PING, action: { kind: 'silence' } });
    const controller = new AbortController();
    const outcome = source.fetchManifest('latest', controller.signal);
    setTimeout(() => controller.abort(), 20);
    await expectFailure('PULL_CANCELLED', () => outcome);
  });
});
