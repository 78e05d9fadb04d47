import { afterEach, describe, expect, it } from 'vitest';
import { type SealiftError, toPlainError } from '../../src/errors/index.ts';
import type { AuthChallenge } from '../../src/http/index.ts';
import { type Descriptor, parseDigest } from '../../src/oci/index.ts';
import type { Credentials } from '../../src/registry/index.ts';
import { expectFailure, failure } from '../support/matchers.ts';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  type FaultAction,
  startFakeRegistry,
} from '../support/registries/fake-registry.ts';
import { collecting, streamBlob } from '../support/registries/http-fixture.ts';
import { openSource } from '../support/registries/registry-fixture.ts';

const PASSWORD = 'hunter2-correct-horse';
const USER: Credentials = { kind: 'basic', username: 'user', password: PASSWORD };
const PAIR = Buffer.from(`user:${PASSWORD}`).toString('base64');
const LAYER = Buffer.from('layer bytes');
const MANIFESTS = /\/manifests\//;
const BLOBS = /\/blobs\//;
const BEARER = { kind: 'bearer', account: `user:${PASSWORD}` } as const;

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(options);
  closers.push(() => registry.close());
  registry.addManifest('team/app', Buffer.from('{}'), 'text/x', 'latest');
  registry.addBlob(LAYER);
  return registry;
}

function open(registry: FakeRegistry, credentials: Credentials = USER) {
  const opened = openSource(registry, { credentials });
  closers.unshift(opened.close);
  return opened;
}

function layerOf(registry: FakeRegistry): Descriptor {
  const digest = parseDigest(registry.addBlob(LAYER));
  return { mediaType: 'x/y', digest, size: LAYER.length, annotations: {}, platform: undefined };
}

function redirectTo(other: FakeRegistry, path = '/elsewhere'): FaultAction {
  return { kind: 'answer', status: 307, headers: { location: `${other.origin}${path}` } };
}

function challengeOf(realm: string): FaultAction {
  return { kind: 'answer', status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}",service="s"` } };
}

const BASIC_CHALLENGE: FaultAction = {
  kind: 'answer',
  status: 401,
  headers: { 'www-authenticate': 'Basic realm="x"' },
};

/** Asserts that an error shows no part of a secret and that the other server received none. */
function expectNoLeak(error: SealiftError, ...secrets: string[]): void {
  const shown = JSON.stringify(toPlainError(error));
  for (const secret of [PASSWORD, PAIR, ...secrets]) expect(shown).not.toContain(secret);
}

function expectNothingSecretAt(other: FakeRegistry): void {
  for (const { url, headers, body } of other.requests) {
    expect(headers['authorization']).toBeUndefined();
    expect(`${url} ${body} ${JSON.stringify(headers)}`).not.toMatch(/hunter2|token-\d/);
  }
}

/** What a registry answers to a request without a token. */
const NO_TOKEN: FaultAction = { kind: 'answer', status: 401 };

describe('credentials never reach another origin', () => {
  it('positive control: the registry and its own token service do get them', async () => {
    const registry = await start({ auth: BEARER });
    await open(registry).source.fetchManifest('latest');
    expect(registry.requestsTo(/token/)[0]?.headers['authorization']).toBe(`Basic ${PAIR}`);
    expect(registry.requestsTo(MANIFESTS)[0]?.headers['authorization']).toBe('Bearer token-1');
  });

  it.each([
    ['Basic', BASIC_CHALLENGE],
    ['Bearer', challengeOf('http://127.0.0.1:9/token')],
  ])('when a blob leads to a server that asks for %s (CVE-2020-15157)', async (_, action) => {
    const registry = await start({ auth: BEARER });
    const other = await start();
    other.inject({ match: /elsewhere/, times: 9, action });
    registry.inject({ match: BLOBS, times: 2, action: redirectTo(other) });
    const { source, http } = open(registry);
    const layer = layerOf(registry);
    const renewed: unknown[] = [];
    const stream = collecting(await source.blobRequest(layer), LAYER.length);
    const onUnauthorized = async (given: Parameters<typeof stream.onUnauthorized>[0]) => {
      renewed.push(given);
      return source.renewBlobRequest(layer, given);
    };
    await expectFailure('REGISTRY_AUTH_REJECTED', () => streamBlob(http, { ...stream, onUnauthorized }));
    expect(renewed).toEqual([]);
    // A signed address may have expired, so the registry is asked for another one, once.
    expect(other.requests).toHaveLength(2);
    expectNothingSecretAt(other);
  });

  it.each([
    ['Basic', () => BASIC_CHALLENGE],
    ['Bearer from itself', (other: FakeRegistry) => challengeOf(`${other.origin}/token`)],
  ])('when a manifest leads to a server that asks for %s', async (_, challengeFor) => {
    const registry = await start({ auth: BEARER });
    const other = await start();
    other.inject({ match: /elsewhere/, times: 9, action: challengeFor(other) });
    registry.inject({ match: MANIFESTS, times: 2, action: redirectTo(other) });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => open(registry).source.fetchManifest('latest'));
    expect(other.requests).toHaveLength(2);
    expect(registry.requestsTo(MANIFESTS)).toHaveLength(2);
    expectNothingSecretAt(other);
    expectNoLeak(error);
  });

  it('when the ping leads to a server that asks for them', async () => {
    const registry = await start();
    const other = await start({ auth: { kind: 'basic', username: 'user', password: PASSWORD } });
    registry.inject({ match: /^\/v2\/$/, action: redirectTo(other, '/v2/') });
    await open(registry).source.fetchManifest('latest');
    expect(other.requests).toEqual([]);
  });

  it('when the token service leads elsewhere', async () => {
    const registry = await start({ auth: BEARER });
    const other = await start({ auth: { kind: 'bearer' } });
    registry.inject({ match: /^\/token/, action: redirectTo(other, '/token?scope=repository:team/app:pull') });
    await failure(() => open(registry).source.fetchManifest('latest'));
    expect(other.requests).toHaveLength(1);
    expectNothingSecretAt(other);
  });

  it('when the token service sends an identity token elsewhere, which is not even followed', async () => {
    const registry = await start({ auth: { ...BEARER, identityToken: PASSWORD } });
    const other = await start();
    registry.inject({ match: /^\/token/, times: 9, action: redirectTo(other, '/token') });
    const source = open(registry, { kind: 'identity-token', token: PASSWORD }).source;
    const error = await expectFailure('HTTP_REDIRECT_REFUSED', () => source.fetchManifest('latest'));
    expect(other.requests).toEqual([]);
    expectNoLeak(error);
  });

  it('when a redirect comes back, the token does not (go-containerregistry #2349)', async () => {
    const registry = await start({ auth: BEARER });
    const other = await start();
    registry.inject({ match: BLOBS, action: redirectTo(other) });
    registry.inject({ match: BLOBS, action: NO_TOKEN });
    registry.inject({ match: BLOBS, action: redirectTo(other) });
    const { source, http } = open(registry);
    const layer = layerOf(registry);
    other.inject({ match: /elsewhere/, times: 2, action: redirectTo(registry, `/v2/team/app/blobs/${layer.digest}`) });
    const stream = collecting(await source.blobRequest(layer), LAYER.length);
    await expectFailure('REGISTRY_AUTH_REJECTED', () => streamBlob(http, stream));
    const sent = registry.requestsTo(BLOBS).map(({ headers }) => headers['authorization']);
    expect(sent).toEqual(['Bearer token-1', undefined, 'Bearer token-1', undefined]);
    expectNothingSecretAt(other);
  });
});

describe('credentials never reach a message', () => {
  it.each([400, 401])('of a registry that reflects to a download what it refused before, with %i', async (status) => {
    const registry = await start({ auth: BEARER });
    const { source, http } = open(registry);
    const layer = layerOf(registry);
    const challenge = { 'www-authenticate': `Bearer realm="${registry.origin}/token"` };
    const action: FaultAction = { kind: 'answer', status, headers: challenge, body: 'you sent token-1 and token-2' };
    registry.inject({ match: BLOBS, times: 9, action });
    const stream = collecting(await source.blobRequest(layer), LAYER.length);
    const renewing = { ...stream, onUnauthorized: (given: AuthChallenge) => source.renewBlobRequest(layer, given) };
    const error = await failure(() => streamBlob(http, renewing));
    expect(error.message).toContain('you sent REDACTED and REDACTED');
    expectNoLeak(error, 'token-1', 'token-2');
  });

  it.each([
    ['a registry that reflects the token', MANIFESTS, 403],
    ['a registry that reflects it, after it was replaced, with an unexpected status', MANIFESTS, 400],
    ['a token service that reflects the password', /^\/token/, 403],
    ['a token service that is broken and reflects it', /^\/token/, 404],
  ])('of %s', async (_, match, status) => {
    const registry = await start({ auth: BEARER });
    const message = `you sent Bearer token-1, token-1, Basic ${PAIR}, ${PAIR} and ${PASSWORD}`;
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message }] });
    registry.inject({ match, times: 9, action: { kind: 'answer', status, body } });
    const error = await failure(() => open(registry).source.fetchManifest('latest'));
    expect(error.message).toContain('DENIED: you sent');
    expectNoLeak(error, ...(match === MANIFESTS ? ['token-1'] : []));
  });

  it('of a token service that answers nonsense around a token', async () => {
    const registry = await start({ auth: BEARER });
    const body = `{"token":"${PASSWORD}"`;
    registry.inject({ match: /^\/token/, action: { kind: 'answer', status: 200, body } });
    expectNoLeak(await expectFailure('HTTP_RESPONSE_INVALID', () => open(registry).source.fetchManifest('latest')));
  });

  it('of a refused redirect, nor the signature in its address', async () => {
    const registry = await start({ auth: BEARER });
    const location = 'https://user:hunter2-correct-horse@storage.example/x?X-Amz-Signature=abcdef';
    registry.inject({ match: MANIFESTS, action: { kind: 'answer', status: 307, headers: { location } } });
    const error = await expectFailure('HTTP_REDIRECT_REFUSED', () => open(registry).source.fetchManifest('latest'));
    expectNoLeak(error, 'abcdef', 'token-1');
  });

  it('of a storage server that fails, nor the signature in its address', async () => {
    const registry = await start({ auth: BEARER });
    const other = await start();
    other.inject({ match: /./, times: 99, action: { kind: 'hang-up' } });
    registry.inject({ match: MANIFESTS, times: 99, action: redirectTo(other, '/x?X-Amz-Signature=abcdef') });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => open(registry).source.fetchManifest('latest'));
    expect(error.message).toContain(`: redirected to ${other.host}: `);
    expectNoLeak(error, 'abcdef', 'token-1');
  });
});

describe('a realm never makes us ask inside', () => {
  it.each(['http://[::1', 'http://user:pw@127.0.0.1/', 'file:///etc/passwd', 'gopher://127.0.0.1/'])(
    '%s',
    async (realm) => {
      const registry = await start({ auth: { ...BEARER, realm } });
      const error = await expectFailure('REGISTRY_AUTH_UNSUPPORTED', () =>
        open(registry).source.fetchManifest('latest'),
      );
      expect(registry.requestsTo(MANIFESTS)).toEqual([]);
      expectNoLeak(error);
    },
  );
});
