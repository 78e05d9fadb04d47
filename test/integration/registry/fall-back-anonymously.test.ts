import { afterEach, describe, expect, it } from 'vitest';
import { type Descriptor, parseDigest } from '../../../src/oci/index.ts';
import { fallBackAnonymously } from '../../../src/registry/index.ts';
import type { ImageSource } from '../../../src/registry/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { openSource } from '../../support/registries/registry-fixture.ts';

const MANIFEST = Buffer.from('{}');
const TYPE = 'application/vnd.oci.image.manifest.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const ME = { kind: 'basic', username: 'me', password: 'secret' } as const;

describe('fallBackAnonymously', () => {
  const open: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });

  async function serve(auth: FakeAuth): Promise<FakeRegistry> {
    const registry = await startFakeRegistry({ auth });
    open.push(() => registry.close());
    registry.addManifest('team/app', MANIFEST, TYPE, 'latest');
    return registry;
  }

  function fallingBack(registry: FakeRegistry): { readonly source: ImageSource; readonly fallbacks: () => number } {
    const [known, anonymous] = [openSource(registry, { credentials: ME }), openSource(registry)];
    open.push(
      () => known.close(),
      () => anonymous.close(),
    );
    let count = 0;
    const source = fallBackAnonymously(known.source, anonymous.source, () => {
      count += 1;
    });
    return { source, fallbacks: () => count };
  }

  const withSecret = (registry: FakeRegistry) =>
    registry.requests.filter(({ headers: { authorization } }) => authorization?.startsWith('Basic '));

  it('asks on without credentials that were refused, and never with them again', async () => {
    // Its token service has no accounts.
    const registry = await serve({ kind: 'bearer', account: '' });
    const { source, fallbacks } = fallingBack(registry);
    const [one, two] = await Promise.all([source.fetchManifest('latest'), source.fetchManifest('latest')]);
    expect([one.rawBytes, two.rawBytes].map((bytes) => Buffer.from(bytes))).toEqual([MANIFEST, MANIFEST]);
    expect(fallbacks()).toBe(1);
    const before = withSecret(registry).length;
    expect(before).toBeGreaterThan(0);
    await source.fetchManifest('latest');
    expect(withSecret(registry).length).toBe(before);
  });

  it('keeps to credentials that are taken, whatever else fails', async () => {
    const registry = await serve({ kind: 'basic', username: ME.username, password: ME.password });
    const { source, fallbacks } = fallingBack(registry);
    await source.fetchManifest('latest');
    const asked = registry.requestsTo(/manifests/).length;
    await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchManifest('other'));
    expect(registry.requestsTo(/manifests/).length).toBe(asked + 1);
    expect(fallbacks()).toBe(0);
  });

  it('ends with the refusal of those who have none', async () => {
    const registry = await serve({ kind: 'bearer', account: 'somebody:else' });
    const { source, fallbacks } = fallingBack(registry);
    await expectFailure('REGISTRY_AUTH_REJECTED', () => source.fetchManifest('latest'));
    expect(fallbacks()).toBe(1);
  });

  it('gives a worker whose token is refused in the middle a request without credentials', async () => {
    const registry = await serve({ kind: 'bearer', account: '' });
    const digest = registry.addBlob(Buffer.from('layer'));
    const { source, fallbacks } = fallingBack(registry);
    const descriptor: Descriptor = {
      mediaType: LAYER,
      digest: parseDigest(digest),
      size: 5,
      annotations: {},
      platform: undefined,
    };
    const challenge = `Bearer realm="${registry.origin}/token",service="x",scope="repository:team/app:pull"`;
    const request = await source.renewBlobRequest(descriptor, {
      headers: [challenge],
      refusedAuthorization: 'Bearer old',
    });
    expect(request.url).toContain(digest);
    expect(request.headers['authorization']).toMatch(/^Bearer /);
    expect(fallbacks()).toBe(1);
    expect(withSecret(registry).length).toBeGreaterThan(0);
  });
});
