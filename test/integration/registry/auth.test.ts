import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { CODES, SealiftError } from '../../../src/errors/index.ts';
import { type Descriptor, parseDigest } from '../../../src/oci/index.ts';
import type { Credentials } from '../../../src/registry/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeAuth, type FaultAction, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { collecting, streamBlob } from '../../support/registries/http-fixture.ts';
import { handClock, openSource } from '../../support/registries/registry-fixture.ts';

const MANIFEST = Buffer.from('{"schemaVersion":2}');
const LAYER = Buffer.from('layer bytes');
const USER: Credentials = { kind: 'basic', username: 'user', password: 'pass' };
const BASIC = `Basic ${Buffer.from('user:pass').toString('base64')}`;
const NONE_FOUND = 'none were found in /auth.json';
const TOKEN = /^\/token/;
const MANIFESTS = /\/manifests\//;
const BLOBS = /\/blobs\//;
const PING = /^\/v2\/$/;

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(auth: FakeAuth, credentials?: Credentials) {
  const registry = await startFakeRegistry({ auth });
  const clock = handClock();
  const { source, http, close } = openSource(registry, {
    clock,
    missingCredentialsHint: NONE_FOUND,
    ...(credentials === undefined ? {} : { credentials }),
  });
  closers.push(close, () => registry.close());
  registry.addManifest('team/app', MANIFEST, 'text/x', 'latest');
  const digest = parseDigest(registry.addBlob(LAYER));
  const layer: Descriptor = { mediaType: 'x/y', digest, size: LAYER.length, annotations: {}, platform: undefined };
  return { registry, source, http, clock, layer };
}

function challenge(header: string, status = 401): FaultAction {
  return { kind: 'answer', status, headers: { 'www-authenticate': header } };
}

describe('Basic', () => {
  it('is sent after the registry asked for it', async () => {
    const { registry, source } = await setUp({ kind: 'basic', username: 'user', password: 'pass' }, USER);
    await source.fetchManifest('latest');
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined, BASIC]);
  });

  it('with a wrong password is refused, without another try', async () => {
    const { registry, source } = await setUp({ kind: 'basic', username: 'user', password: 'other' }, USER);
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(error.hint).toBe(CODES.REGISTRY_AUTH_REJECTED.hint);
    expect(registry.requestsTo(MANIFESTS)).toHaveLength(1);
  });

  it('without credentials is refused, and the message says that there are none', async () => {
    const { source } = await setUp({ kind: 'basic', username: 'user', password: 'pass' });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(error.message).toContain('expected a user name and password, got none (UNAUTHORIZED: unauthorized)');
    expect(error.hint).toBe(NONE_FOUND);
  });

  it('is not volunteered to a registry that does not ask', async () => {
    const { registry, source } = await setUp({ kind: 'none' }, USER);
    await source.fetchManifest('latest');
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined, undefined]);
  });

  it('is not needed where the ping asks for it and the repository is open', async () => {
    const { registry, source } = await setUp({ kind: 'none' });
    registry.inject({ match: PING, action: challenge('Basic realm="x"') });
    expect((await source.fetchManifest('latest')).contentType).toBe('text/x');
  });
});

describe('a refusal of a request without credentials', () => {
  const DENIED: FaultAction = { kind: 'answer', status: 403 };

  it.each<[string, FakeAuth, RegExp, FaultAction]>([
    ['of a manifest', { kind: 'none' }, MANIFESTS, DENIED],
    ['of a manifest for an anonymous token', { kind: 'bearer' }, MANIFESTS, DENIED],
    ['of every token', { kind: 'bearer' }, MANIFESTS, { kind: 'answer', status: 401 }],
    ['by the token service', { kind: 'bearer' }, TOKEN, DENIED],
  ])('%s says that none were found, and where', async (_, auth, match, action) => {
    const { registry, source } = await setUp(auth);
    for (let count = 0; count < 4; count += 1) registry.inject({ match, action });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(error.hint).toBe(NONE_FOUND);
    expect(error.message).not.toContain('refused the credentials');
  });

  it('of a layer says so as well', async () => {
    const { source, layer } = await setUp({ kind: 'none' });
    const basic = { headers: ['Basic realm="x"'] };
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.renewBlobRequest(layer, basic));
    expect(error.hint).toBe(NONE_FOUND);
  });
});

describe('Bearer', () => {
  it.each(['token', 'access_token'] as const)('is anonymous without credentials, and reads %s', async (tokenField) => {
    const { registry, source } = await setUp({ kind: 'bearer', tokenField });
    await source.fetchManifest('latest');
    const [request] = registry.requestsTo(TOKEN);
    const query = new URL(request?.url ?? '', registry.origin).searchParams;
    expect(Object.fromEntries(query)).toEqual({ service: 'fake "registry"', scope: 'repository:team/app:pull' });
    expect(request?.headers['authorization']).toBeUndefined();
  });

  it('sends the password to the token service and the token to the registry', async () => {
    const { registry, source } = await setUp({ kind: 'bearer', account: 'user:pass' }, USER);
    await source.fetchManifest('latest');
    expect(registry.requestsTo(TOKEN)[0]).toMatchObject({ method: 'GET', headers: { authorization: BASIC } });
    expect(registry.requestsTo(TOKEN)[0]?.url).toContain('account=user');
    expect(registry.requestsTo(MANIFESTS).map(({ headers }) => headers['authorization'])).toEqual(['Bearer token-1']);
  });

  it('trades an identity token with a POST', async () => {
    const identity: Credentials = { kind: 'identity-token', token: 'refresh&me' };
    const { registry, source } = await setUp({ kind: 'bearer', account: 'x:y', identityToken: 'refresh&me' }, identity);
    await source.fetchManifest('latest');
    const [request] = registry.requestsTo(TOKEN);
    expect(request?.method).toBe('POST');
    expect(request?.url).toBe('/token');
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      grant_type: 'refresh_token',
      client_id: 'sealift',
      scope: 'repository:team/app:pull',
      service: 'fake "registry"',
      refresh_token: 'refresh&me',
    });
  });

  it('asks for one token however many requests need it', async () => {
    const { registry, source, layer } = await setUp({ kind: 'bearer' });
    const layers = Array.from({ length: 8 }, () => source.blobRequest(layer));
    await Promise.all([...layers, source.fetchManifest('latest')]);
    await source.blobRequest(layer);
    expect(registry.requestsTo(TOKEN)).toHaveLength(1);
  });

  it('replaces a token before it runs out, and not earlier', async () => {
    const { registry, source, layer, clock } = await setUp({ kind: 'bearer', expiresInSeconds: 1000 });
    await source.blobRequest(layer);
    clock.nowMs = 899_000;
    expect((await source.blobRequest(layer)).headers['authorization']).toBe('Bearer token-1');
    clock.nowMs = 900_000;
    expect((await source.blobRequest(layer)).headers['authorization']).toBe('Bearer token-2');
    expect(registry.requestsTo(TOKEN)).toHaveLength(2);
  });

  it.each([
    ['no life', undefined],
    ['a shorter life than sixty seconds', 1],
    ['a negative one', -5],
  ])('takes a token with %s to live for sixty', async (_, expiresInSeconds) => {
    const life = expiresInSeconds === undefined ? {} : { expiresInSeconds };
    const { source, layer, clock } = await setUp({ kind: 'bearer', ...life });
    await source.blobRequest(layer);
    clock.nowMs = 53_000;
    expect((await source.blobRequest(layer)).headers['authorization']).toBe('Bearer token-1');
    clock.nowMs = 54_000;
    expect((await source.blobRequest(layer)).headers['authorization']).toBe('Bearer token-2');
  });

  it('renews a token that the registry has forgotten, once', async () => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    await source.fetchManifest('latest');
    registry.revokeTokens();
    await source.fetchManifest('latest');
    expect(registry.requestsTo(TOKEN)).toHaveLength(2);
  });

  it.each([
    ['400', { kind: 'answer', status: 400, body: 'token expired' }],
    ['401 without a challenge', { kind: 'answer', status: 401 }],
  ] satisfies [string, FaultAction][])('renews a token that was answered with %s, once', async (_, action) => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    registry.inject({ match: MANIFESTS, action });
    expect((await source.fetchManifest('latest')).contentType).toBe('text/x');
    const sent = registry.requestsTo(MANIFESTS).map(({ headers }) => headers['authorization']);
    expect(sent).toEqual(['Bearer token-1', 'Bearer token-2']);
    registry.inject({ match: MANIFESTS, times: 9, action });
    const error = await source.fetchManifest('latest').catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(SealiftError);
    expect(registry.requestsTo(TOKEN)).toHaveLength(3);
    expect(registry.requestsTo(MANIFESTS)).toHaveLength(4);
  });

  it('reports a 400 that another token does not cure as the registry words it', async () => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    registry.inject({ match: MANIFESTS, times: 9, action: { kind: 'answer', status: 400, body: 'no such thing' } });
    const error = await expectFailure('HTTP_STATUS_UNEXPECTED', () => source.fetchManifest('latest'));
    expect(error.message).toContain('status 400 (no such thing)');
  });

  it('takes a 400 for what it is where no token was sent', async () => {
    const { registry, source } = await setUp({ kind: 'basic', username: 'user', password: 'pass' }, USER);
    registry.inject({ match: MANIFESTS, times: 9, action: { kind: 'answer', status: 400 } });
    await expectFailure('HTTP_STATUS_UNEXPECTED', () => source.fetchManifest('latest'));
    expect(registry.requestsTo(MANIFESTS)).toHaveLength(1);
  });

  it('renews a token that a download was answered with 400 for, once', async () => {
    const { registry, source, http, layer } = await setUp({ kind: 'bearer' });
    const dead: FaultAction = { kind: 'answer', status: 400, body: 'token expired' };
    const request = await source.blobRequest(layer);
    const download = async () => {
      const stream = collecting(request, LAYER.length);
      await streamBlob(http, { ...stream, onUnauthorized: (given) => source.renewBlobRequest(layer, given) });
      return stream.received();
    };
    registry.inject({ match: BLOBS, action: dead });
    expect(await download()).toEqual(LAYER);
    registry.inject({ match: BLOBS, times: 9, action: dead });
    const error = await expectFailure('HTTP_STATUS_UNEXPECTED', download);
    expect(error.message).toContain('status 400 (token expired)');
    expect(registry.requestsTo(BLOBS)).toHaveLength(4);
  });

  it('gives up when a fresh token is refused', async () => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    const refusal = challenge(`Bearer realm="${registry.origin}/token",service="s"`);
    registry.inject({ match: MANIFESTS, times: 99, action: refusal });
    await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(registry.requestsTo(MANIFESTS)).toHaveLength(2);
    expect(registry.requestsTo(TOKEN)).toHaveLength(2);
  });

  it('asks again with the scope that the registry says is missing', async () => {
    const requiredScope = 'repository:team/app:pull,metadata';
    const { registry, source } = await setUp({ kind: 'bearer', requiredScope });
    await source.fetchManifest('latest');
    const scopes = registry.requestsTo(TOKEN).map(({ url }) => new URL(url, registry.origin).searchParams.get('scope'));
    expect(scopes).toEqual(['repository:team/app:pull', requiredScope]);
  });

  it('finds its scheme among others, in several headers', async () => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    const header = `Negotiate, Digest realm="x", bearer Realm="${registry.origin}/token"`;
    registry.inject({ match: PING, action: challenge(header) });
    expect((await source.fetchManifest('latest')).contentType).toBe('text/x');
  });

  it('takes the first scheme it can answer: Bearer when there is no password for Basic', async () => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    registry.inject({ match: PING, action: challenge(`Basic realm="x", Bearer realm="${registry.origin}/token"`) });
    expect((await source.fetchManifest('latest')).contentType).toBe('text/x');
  });

  it('keeps a download going when its token runs out on the way', async () => {
    const { registry, source, http, layer } = await setUp({ kind: 'bearer' });
    const request = await source.blobRequest(layer);
    registry.revokeTokens();
    const stream = collecting(request, LAYER.length);
    await streamBlob(http, { ...stream, onUnauthorized: (given) => source.renewBlobRequest(layer, given) });
    expect(stream.received()).toEqual(LAYER);
  });

  it('renews once for several downloads that were refused with one token', async () => {
    const { registry, source, layer } = await setUp({ kind: 'bearer' });
    const refusedAuthorization = (await source.blobRequest(layer)).headers['authorization'] ?? '';
    const given = { headers: [`Bearer realm="${registry.origin}/token"`], refusedAuthorization };
    const first = await source.renewBlobRequest(layer, given);
    const [second, third] = await Promise.all([1, 2].map(() => source.renewBlobRequest(layer, given)));
    expect([second?.headers['authorization'], third?.headers['authorization']]).toEqual(
      Array(2).fill(first.headers['authorization']),
    );
    expect(registry.requestsTo(TOKEN)).toHaveLength(2);
  });
});

describe('a challenge that cannot be answered', () => {
  it('because a parameter came twice is named, and gets no answer', async () => {
    const { registry, source } = await setUp({ kind: 'none' });
    const twice = `Bearer realm="${registry.origin}/token",service="a",Service="b"`;
    registry.inject({ match: PING, action: challenge(twice) });
    registry.inject({ match: MANIFESTS, action: challenge(twice) });
    const error = await expectFailure('REGISTRY_AUTH_UNSUPPORTED', () => source.fetchManifest('latest'));
    expect(error.message).toBe(
      `authentication at ${registry.host}: expected each parameter once, got "service" twice in the challenge "bearer"`,
    );
    expect(registry.requestsTo(TOKEN)).toEqual([]);
  });

  it('because a parameter came twice does not hide another one', async () => {
    const { registry, source } = await setUp({ kind: 'basic', username: 'user', password: 'pass' }, USER);
    registry.inject({ match: PING, action: { kind: 'answer', status: 200 } });
    registry.inject({ match: MANIFESTS, action: challenge('Bearer realm="a",realm="b", Basic realm="c"') });
    expect((await source.fetchManifest('latest')).contentType).toBe('text/x');
  });

  it.each([
    ['another scheme', 'Negotiate', 'REGISTRY_AUTH_UNSUPPORTED'],
    ['no scheme', '', 'REGISTRY_AUTH_UNSUPPORTED'],
    ['a bearer without realm', 'Bearer service="x"', 'REGISTRY_AUTH_UNSUPPORTED'],
    ['a realm that is a path', 'Bearer realm="/token"', 'REGISTRY_AUTH_UNSUPPORTED'],
    ['a realm with a password', 'Bearer realm="http://u:p@127.0.0.1/token"', 'REGISTRY_AUTH_UNSUPPORTED'],
    [
      'a scope with a quote',
      'Bearer realm="http://127.0.0.1/t",error=insufficient_scope,scope="a\\"b"',
      'REGISTRY_AUTH_UNSUPPORTED',
    ],
  ] as const)('%s is refused', async (_, header, code) => {
    const { registry, source } = await setUp({ kind: 'none' });
    registry.inject({ match: MANIFESTS, action: challenge(header) });
    await expectFailure(code, () => source.fetchManifest('latest'));
    expect(registry.requestsTo(TOKEN)).toEqual([]);
  });
});

describe('a token service', () => {
  it('may send its token with gzip', async () => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    registry.inject({ match: TOKEN, action: { kind: 'encode', encoding: 'gzip', encode: gzipSync } });
    expect((await source.fetchManifest('latest')).contentType).toBe('text/x');
  });

  it.each([
    ['that refuses', { kind: 'answer', status: 401 }, 'REGISTRY_AUTH_REJECTED'],
    ['that forbids', { kind: 'answer', status: 403 }, 'REGISTRY_AUTH_REJECTED'],
    ['that is not there', { kind: 'answer', status: 404 }, 'HTTP_STATUS_UNEXPECTED'],
    ['that fails', { kind: 'answer', status: 500 }, 'HTTP_UNAVAILABLE'],
    ['that answers HTML', { kind: 'answer', status: 200, body: '<html>' }, 'HTTP_STATUS_UNEXPECTED'],
    ['that answers no token', { kind: 'answer', status: 200, body: '{}' }, 'HTTP_RESPONSE_INVALID'],
    ['that answers an empty token', { kind: 'answer', status: 200, body: '{"token":""}' }, 'HTTP_RESPONSE_INVALID'],
    ['that answers a number', { kind: 'answer', status: 200, body: '{"token":1}' }, 'HTTP_RESPONSE_INVALID'],
    [
      'that answers two tokens',
      { kind: 'answer', status: 200, body: '{"token":"a","token":"b"}' },
      'HTTP_RESPONSE_INVALID',
    ],
    [
      'that smuggles a header',
      { kind: 'answer', status: 200, body: '{"token":"a\\r\\nx: y"}' },
      'HTTP_RESPONSE_INVALID',
    ],
    ['that never ends', { kind: 'endless' }, 'HTTP_RESPONSE_INVALID'],
  ] satisfies [string, FaultAction, string][])('%s', async (_, action, code) => {
    const { registry, source } = await setUp({ kind: 'bearer' });
    registry.inject({ match: TOKEN, times: 9, action });
    const error = await source.fetchManifest('latest').catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code });
    expect(registry.requestsTo(MANIFESTS)).toEqual([]);
  });
});
