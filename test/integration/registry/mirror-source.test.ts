import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { createRegistrySource } from '../../../src/registry/index.ts';
import type { RegistrySourceOptions } from '../../../src/registry/registry-source.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { quickTransport } from '../../support/registries/http-fixture.ts';
import { handClock } from '../../support/registries/registry-fixture.ts';

const BLOB = {
  mediaType: 'application/octet-stream',
  digest: hashBytes(Buffer.from('ab'), 'sha256'),
  size: 2,
  annotations: {},
  platform: undefined,
} as const;

let registry: FakeRegistry;
const transport = quickTransport({ tlsVerify: false });
beforeEach(async () => {
  registry = await startFakeRegistry();
});
afterEach(() => registry.close());

function open(options: Partial<RegistrySourceOptions>) {
  return createRegistrySource({
    reference: { domain: registry.host, path: 'team/app' },
    http: transport,
    credentials: undefined,
    allowHttp: true,
    limits: DEFAULT_LIMITS,
    clock: handClock(),
    ...options,
  });
}

const unavailable = { match: /manifests/, times: 10, action: { kind: 'answer', status: 503 } } as const;

describe('a source that others stand beside', () => {
  it('is asked twice at most, and its layers are not tried for long', async () => {
    registry.inject(unavailable);
    const source = open({ hasAlternative: true });
    await expectFailure('HTTP_UNAVAILABLE', () => source.fetchManifest('latest'));
    expect(registry.requestsTo(/manifests/)).toHaveLength(2);
    expect((await source.blobRequest(BLOB)).tries).toBe(2);
  });

  it('is pinged once when it does not answer', async () => {
    registry.inject({ match: /^\/v2\/$/, times: 10, action: { kind: 'hang-up' } });
    await expectFailure('HTTP_UNAVAILABLE', () => open({ hasAlternative: true }).fetchManifest('latest'));
    expect(registry.requests).toHaveLength(1);
  });

  it('is asked as often as the limits allow where it is the only one', async () => {
    registry.inject(unavailable);
    const source = open({});
    await expectFailure('HTTP_UNAVAILABLE', () => source.fetchManifest('latest'));
    expect(registry.requestsTo(/manifests/)).toHaveLength(DEFAULT_LIMITS.maxTries);
    expect((await source.blobRequest(BLOB)).tries).toBeUndefined();
  });
});

describe('a mirror that serves several registries', () => {
  it('is asked below its own path, and told whose content is meant', async () => {
    registry.inject({ match: /^\/cache\/v2\//, times: 10, action: { kind: 'answer', status: 200, body: '{}' } });
    const source = open({ mirrorApi: { prefix: '/cache', namespace: 'registry.example:5000' } });
    await source.fetchManifest('latest');
    const { url } = await source.blobRequest(BLOB);
    expect(registry.requests.map((request) => request.url)).toEqual([
      '/cache/v2/?ns=registry.example%3A5000',
      '/cache/v2/team/app/manifests/latest?ns=registry.example%3A5000',
    ]);
    expect(url).toBe(`${registry.origin}/cache/v2/team/app/blobs/${BLOB.digest}?ns=registry.example%3A5000`);
  });
});
