import { afterEach, describe, expect, it } from 'vitest';
import { type Descriptor, parseDigest } from '../../../src/oci/index.ts';
import type { Credentials } from '../../../src/registry/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, type FaultAction, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { collecting, streamBlob } from '../../support/registries/http-fixture.ts';
import { openSource } from '../../support/registries/registry-fixture.ts';

const TOKEN = 'registry.token-of_somebody';
const LAYER = Buffer.from('layer bytes');
const CREDENTIALS: Credentials = { kind: 'registry-token', token: TOKEN };
const API = /^\/v2\//;

describe('a registry token', () => {
  const closers: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  async function start(): Promise<FakeRegistry> {
    const registry = await startFakeRegistry({ auth: { kind: 'bearer' } });
    closers.push(() => registry.close());
    registry.addManifest('team/app', Buffer.from('{"schemaVersion":2}'), 'text/x', 'latest');
    return registry;
  }

  async function setUp() {
    const registry = await start();
    const opened = openSource(registry, { credentials: CREDENTIALS });
    closers.push(opened.close);
    const digest = parseDigest(registry.addBlob(LAYER));
    const layer: Descriptor = { mediaType: 'x/y', digest, size: LAYER.length, annotations: {}, platform: undefined };
    return { registry, ...opened, layer };
  }

  const answer = (status: number, headers: Record<string, string>, body = ''): FaultAction => {
    return { kind: 'answer', status, headers, body };
  };
  const sentTo = ({ requests }: FakeRegistry) => requests.map(({ headers }) => headers['authorization']);

  it.each(['Bearer', 'Basic'])('answers %s as it is, and no token service is asked', async (scheme) => {
    const { registry, source, layer } = await setUp();
    registry.allowToken(TOKEN, 'repository:team/app:pull');
    const header = scheme === 'Basic' ? 'Basic realm="x"' : `Bearer realm="${registry.origin}/token",service="s"`;
    registry.inject({ match: /^\/v2\/$/, action: answer(401, { 'www-authenticate': header }) });
    await source.fetchManifest('latest');
    expect(sentTo(registry)).toEqual([undefined, `Bearer ${TOKEN}`]);
    expect((await source.blobRequest(layer)).headers['authorization']).toBe(`Bearer ${TOKEN}`);
    expect(registry.requestsTo(/^\/token/)).toEqual([]);
  });

  it('is not volunteered to a registry that does not ask', async () => {
    const { registry, source } = await setUp();
    registry.inject({ match: /^\/v2\/$/, action: answer(200, {}) });
    registry.inject({ match: /\/manifests\//, action: answer(200, { 'content-type': 'text/x' }, '{}') });
    await source.fetchManifest('latest');
    expect(sentTo(registry)).toEqual([undefined, undefined]);
  });

  it('that is refused is the end: nothing is traded, and the hint says what may be the matter', async () => {
    const { registry, source, layer } = await setUp();
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(error.message).toContain('refused the registry token');
    expect(error.hint).toContain('short-lived');
    expect(JSON.stringify([error.message, error.context, error.hint, String(error.cause)])).not.toContain(TOKEN);
    expect(sentTo(registry)).toEqual([undefined, `Bearer ${TOKEN}`]);
    const challenge = { headers: [`Bearer realm="${registry.origin}/token"`], refusedAuthorization: `Bearer ${TOKEN}` };
    await expectFailure('REGISTRY_AUTH_REJECTED', () => source.renewBlobRequest(layer, challenge));
    expect(registry.requestsTo(/^\/token/)).toEqual([]);
  });

  it('does not come back out of what the registry says', async () => {
    const { registry, source } = await setUp();
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: `no ${TOKEN}, no Bearer ${TOKEN}` }] });
    registry.inject({ match: /\/manifests\//, action: { kind: 'answer', status: 403, body } });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(error.message).toContain('DENIED');
    expect(error.message).not.toContain(TOKEN);
  });

  it.each([301, 302, 303, 307, 308])('does not follow a redirect with %s to another host', async (status) => {
    const { registry, source, http, layer } = await setUp();
    const storage = await start();
    storage.addBlob(LAYER);
    // The registry serves requests without credentials, so no challenge makes up for missing ones.
    const served: FaultAction = { kind: 'answer', status: 200, body: LAYER.toString() };
    storage.inject({ match: API, action: served });
    registry.allowToken(TOKEN, 'repository:team/app:pull');
    const location = `${storage.origin}/v2/team/app/blobs/${layer.digest}`;
    registry.inject({ match: /\/blobs\//, action: answer(status, { location }) });
    const stream = collecting(await source.blobRequest(layer), LAYER.length);
    await streamBlob(http, stream);
    expect(stream.received()).toEqual(LAYER);
    expect(sentTo(registry)).toEqual([undefined, `Bearer ${TOKEN}`]);
    expect(sentTo(storage)).toEqual([undefined]);
  });

  it('does not answer the challenge of a host that a redirect led to', async () => {
    const { registry, source } = await setUp();
    const other = await start();
    registry.allowToken(TOKEN, 'repository:team/app:pull');
    const location = `${other.origin}/v2/team/app/manifests/latest`;
    registry.inject({ match: /\/manifests\//, times: 2, action: answer(307, { location }) });
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(error.message).toContain(`redirected to ${other.host}: status 401 (UNAUTHORIZED: `);
    expect(error.hint).toContain(other.host);
    expect(sentTo(other)).toEqual([undefined, undefined]);
    expect(other.requestsTo(/^\/token/)).toEqual([]);
  });
});
