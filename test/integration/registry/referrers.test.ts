import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  type FakeRegistryOptions,
  type FaultAction,
  startFakeRegistry,
} from '../../support/registries/fake-registry.ts';
import { openSource, type SourceFixtureOptions } from '../../support/registries/registry-fixture.ts';

const DIGEST = hashBytes('manifest');
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const LIST = JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] });
const REFERRERS = /\/referrers\//;

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Answering {
  readonly answer?: FaultAction;
  readonly server?: FakeRegistryOptions;
  readonly client?: SourceFixtureOptions;
}

async function setUp({ answer, server = {}, client = {} }: Answering) {
  const registry = await startFakeRegistry(server);
  const { source, close } = openSource(registry, client);
  closers.push(close, () => registry.close());
  if (answer !== undefined) registry.inject({ match: REFERRERS, times: 9, action: answer });
  return { registry, source };
}

const listed = (headers: Record<string, string> = {}): FaultAction => {
  return { kind: 'answer', status: 200, headers: { 'content-type': INDEX_TYPE, ...headers }, body: LIST };
};

describe('the list of what refers to a manifest', () => {
  it('is fetched with the type that it has to have, and without a filter', async () => {
    const { registry, source } = await setUp({ answer: listed() });
    const page = await source.fetchReferrers(DIGEST, undefined);
    expect(page).toMatchObject({ contentType: INDEX_TYPE, next: undefined });
    expect(Buffer.from(page?.rawBytes ?? []).toString()).toBe(LIST);
    expect(registry.requestsTo(REFERRERS)).toMatchObject([
      { method: 'GET', url: `/v2/team/app/referrers/${DIGEST}`, headers: { accept: INDEX_TYPE } },
    ]);
  });

  it('is fetched page by page, with the credentials of the registry', async () => {
    const auth = { kind: 'bearer', account: 'me:secret' } as const;
    const credentials = { kind: 'basic', username: 'me', password: 'secret' } as const;
    const { registry, source } = await setUp({ server: { auth, referrersPerPage: 2 }, client: { credentials } });
    for (const text of ['a', 'b', 'c']) {
      const bytes = Buffer.from(JSON.stringify({ artifactType: text, subject: { digest: DIGEST } }));
      registry.addManifest('team/app', bytes, 'application/vnd.oci.image.manifest.v1+json');
    }
    const first = await source.fetchReferrers(DIGEST, undefined);
    expect(first?.next).toBe(`${registry.origin}/v2/team/app/referrers/${DIGEST}?from=2`);
    const second = await source.fetchReferrers(DIGEST, first?.next);
    expect(second?.next).toBeUndefined();
    const entries = [first, second].map((page) => JSON.parse(Buffer.from(page?.rawBytes ?? []).toString()).manifests);
    expect(entries.flat().map(({ artifactType }) => artifactType)).toEqual(['a', 'b', 'c']);
    expect(registry.requestsTo(REFERRERS).at(-1)?.headers['authorization']).toMatch(/^Bearer token-/);
  });

  it.each([404, 405])('does not exist with status %i', async (status) => {
    const { source } = await setUp({ answer: { kind: 'answer', status } });
    expect(await source.fetchReferrers(DIGEST, undefined)).toBeUndefined();
  });

  it('is not absent behind a web page', async () => {
    const body = '<!doctype html><title>Welcome</title>';
    const { source } = await setUp({ answer: { kind: 'answer', status: 200, body } });
    await expectFailure('HTTP_STATUS_UNEXPECTED', () => source.fetchReferrers(DIGEST, undefined));
  });

  it.each([
    [401, 'REGISTRY_AUTH_UNSUPPORTED'],
    [403, 'REGISTRY_AUTH_REJECTED'],
    [400, 'HTTP_STATUS_UNEXPECTED'],
    [406, 'HTTP_STATUS_UNEXPECTED'],
    [410, 'HTTP_STATUS_UNEXPECTED'],
    [204, 'HTTP_STATUS_UNEXPECTED'],
    [429, 'HTTP_UNAVAILABLE'],
    [500, 'HTTP_UNAVAILABLE'],
  ] as const)('is not absent with status %i', async (status, code) => {
    const { source } = await setUp({ answer: { kind: 'answer', status } });
    await expectFailure(code, () => source.fetchReferrers(DIGEST, undefined));
  });

  it('is not at its end where a later page is not there', async () => {
    const { registry, source } = await setUp({ answer: { kind: 'answer', status: 404 } });
    const page = `${registry.origin}/v2/team/app/referrers/${DIGEST}?from=2`;
    await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => source.fetchReferrers(DIGEST, page));
  });

  it.each([
    ['another origin', '<https://evil.example/v2/x>; rel="next"'],
    ['another port', '<http://127.0.0.1:1/v2/x>; rel="next"'],
    ['no link', 'next'],
  ])('is refused with a Link to %s', async (_, link) => {
    const { registry, source } = await setUp({ answer: listed({ link }) });
    await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchReferrers(DIGEST, undefined));
    expect(registry.requestsTo(REFERRERS)).toHaveLength(1);
  });

  it('is refused where the registry has left out some of it', async () => {
    const { source } = await setUp({ answer: listed({ 'oci-filters-applied': 'artifactType' }) });
    await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchReferrers(DIGEST, undefined));
  });

  it('ends behind a redirect to another origin', async () => {
    const elsewhere = await startFakeRegistry();
    closers.push(() => elsewhere.close());
    const location = `${elsewhere.origin}/list`;
    elsewhere.inject({ match: /list/, action: listed() });
    elsewhere.inject({ match: /list/, action: listed({ link: '</more>; rel="next"' }) });
    const { source } = await setUp({ answer: { kind: 'answer', status: 307, headers: { location } } });
    expect(await source.fetchReferrers(DIGEST, undefined)).toMatchObject({ next: undefined });
    await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchReferrers(DIGEST, undefined));
  });

  it('is bounded by maxManifestBytes', async () => {
    const { source } = await setUp({ answer: { kind: 'endless', status: 200 } });
    const error = await expectFailure('HTTP_RESPONSE_INVALID', () => source.fetchReferrers(DIGEST, undefined));
    expect(error.context).toMatchObject({ limit: 'maxManifestBytes', expected: DEFAULT_LIMITS.maxManifestBytes });
  });

  it('is not complete when it breaks off', async () => {
    const { source } = await setUp({ server: { referrersPerPage: 9 }, answer: { kind: 'reset', afterBytes: 5 } });
    await expectFailure('HTTP_UNAVAILABLE', () => source.fetchReferrers(DIGEST, undefined));
  });
});
