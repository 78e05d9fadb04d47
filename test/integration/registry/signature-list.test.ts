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
const LIST = '{"signatures":[]}';
const PING = /^\/v2\/$/;
const EXTENSION = /^\/extensions\//;

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Offering {
  /** The header of the answer to the ping; absent when undefined. */
  readonly header?: string;
  readonly answer?: FaultAction;
  readonly server?: FakeRegistryOptions;
  readonly client?: SourceFixtureOptions;
}

async function setUp({ header, answer, server = {}, client = {} }: Offering) {
  const registry = await startFakeRegistry(server);
  const { source, close } = openSource(registry, client);
  closers.push(close, () => registry.close());
  if (header !== undefined) {
    const headers = { 'x-registry-supports-signatures': header };
    registry.inject({ match: PING, times: 9, action: { kind: 'headers', headers } });
  }
  if (answer !== undefined) registry.inject({ match: EXTENSION, times: 9, action: answer });
  return { registry, source };
}

const listed: FaultAction = { kind: 'answer', status: 200, body: LIST };

describe('the signatures that a registry keeps itself', () => {
  it('are a document beside its API, for each manifest', async () => {
    const { registry, source } = await setUp({ header: '1', answer: listed });
    const list = await source.fetchSignatureList(DIGEST);
    expect(Buffer.from(list ?? []).toString()).toBe(LIST);
    expect(registry.requestsTo(EXTENSION)).toMatchObject([
      { method: 'GET', url: `/extensions/v2/team/app/signatures/${DIGEST}` },
    ]);
  });

  it.each([[undefined], ['0'], ['true'], ['']])('are asked for only where the ping says 1, not %j', async (header) => {
    const { registry, source } = await setUp({ ...(header === undefined ? {} : { header }), answer: listed });
    expect(await source.fetchSignatureList(DIGEST)).toBeUndefined();
    expect(registry.requestsTo(EXTENSION)).toEqual([]);
  });

  it('are asked for with the credentials of the registry', async () => {
    const auth = { kind: 'basic', username: 'me', password: 'secret' } as const;
    const { registry, source } = await setUp({
      ...{ header: '1', answer: listed, server: { auth } },
      client: { credentials: auth },
    });
    await source.fetchSignatureList(DIGEST);
    const [request] = registry.requestsTo(EXTENSION);
    expect(request?.headers['authorization']).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
  });

  it('are absent where the registry does not have the manifest', async () => {
    const { source } = await setUp({ header: '1', answer: { kind: 'answer', status: 404 } });
    expect(await source.fetchSignatureList(DIGEST)).toBeUndefined();
  });

  it.each([
    [403, 'REGISTRY_AUTH_REJECTED'],
    [410, 'HTTP_STATUS_UNEXPECTED'],
    [204, 'HTTP_STATUS_UNEXPECTED'],
    [500, 'HTTP_UNAVAILABLE'],
  ] as const)('are not absent with status %i', async (status, code) => {
    const { source } = await setUp({ header: '1', answer: { kind: 'answer', status } });
    await expectFailure(code, () => source.fetchSignatureList(DIGEST));
  });

  it('are bounded by maxSignatureBytes', async () => {
    const { source } = await setUp({ header: '1', answer: { kind: 'endless', status: 200 } });
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => source.fetchSignatureList(DIGEST));
    expect(error.context).toMatchObject({ limit: 'maxSignatureBytes', expected: DEFAULT_LIMITS.maxSignatureBytes });
  });
});
