import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import type { PullResult } from '../../../src/pull/index.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { type BuiltImage, pushImage } from '../../support/builders/image-builder.ts';
import { buildSmallImage } from '../../support/builders/small-image.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  countFetches,
  startTamperProxy,
  type TamperProxy,
  type TamperRule,
} from '../../support/proxies/tamper-proxy.ts';
import { startDockerRegistry } from '../../support/registries/docker-registry.ts';

const LOGICAL = 'app.invalid/team';
/** What an endpoint says with a status of the table below. */
const WORDS = '{"details":"come back later"}';

/** Three endpoints of one image behind proxies that count and tamper: two mirrors and the registry itself. */
interface Endpoints {
  readonly first: TamperProxy;
  readonly second: TamperProxy;
  readonly own: TamperProxy;
}

describeWith(['docker-registry'], 'an image with mirrors', () => {
  const scratch = new Scratch('mirrors');
  const running: AsyncDisposable[] = [];
  let endpoints: Endpoints;
  let image: BuiltImage;
  let count = 0;
  /** The status with which an endpoint answers every request, by its name. */
  const answers = new Map<keyof Endpoints, number>();

  beforeAll(async () => {
    image = await buildSmallImage(scratch.path);
    const open = async (name: keyof Endpoints, repository: string): Promise<TamperProxy> => {
      const registry = await startDockerRegistry();
      running.push(registry);
      await pushImage(registry.url, repository, 'latest', image);
      const proxy = await startTamperProxy(registry.host, (_: IncomingMessage, outgoing: ServerResponse) => {
        const status = answers.get(name);
        const headers = { 'content-length': `${WORDS.length}`, 'retry-after': '0' };
        if (status !== undefined) outgoing.writeHead(status, headers).end(WORDS);
        return status !== undefined;
      });
      running.push(proxy);
      return proxy;
    };
    endpoints = {
      first: await open('first', 'one/app'),
      second: await open('second', 'two/app'),
      own: await open('own', 'team/app'),
    };
  });

  beforeEach(() => {
    answers.clear();
    for (const endpoint of Object.values(endpoints)) endpoint.setRules([]);
  });

  afterAll(async () => {
    await Promise.all(running.map((each) => each[Symbol.asyncDispose]()));
    scratch[Symbol.dispose]();
  });

  const registriesConf = (
    extra = '',
    mirrors: readonly string[] = [`${endpoints.first.host}/one`, `${endpoints.second.host}/two`],
  ) => `
[[registry]]
prefix = "${LOGICAL}"
location = "${endpoints.own.host}/team"
insecure = true
${extra}
${mirrors.map((location) => `[[registry.mirror]]\nlocation = "${location}"\ninsecure = true`).join('\n')}
`;

  interface PullOptions {
    readonly conf?: string;
    readonly settings?: SettingValues;
  }

  interface Pulled {
    readonly result: PullResult;
    readonly directory: string;
    readonly warnings: readonly string[];
  }

  async function pull(name: string, { conf = registriesConf(), settings = {} }: PullOptions = {}): Promise<Pulled> {
    count += 1;
    const folder = scratch.join(`pull-${count}`);
    mkdirSync(`${folder}/conf.d`, { recursive: true });
    writeFileSync(`${folder}/registries.conf`, conf);
    const directory = `${folder}/tree`;
    const warnings: string[] = [];
    const result = await composeTestCli().pull(
      {
        reference: name,
        target: { kind: 'unpack', directory },
        settings: {
          'pull.registries_conf': `${folder}/registries.conf`,
          'pull.registries_conf_d': `${folder}/conf.d`,
          'pull.insecure_policy': true,
          ...settings,
        },
        credentials: undefined,
        configFile: undefined,
        debug: false,
      },
      {
        signal: new AbortController().signal,
        onProgress: (event) => {
          if (event.type === 'warning') warnings.push(event.message);
        },
      },
    );
    return { result, directory, warnings };
  }

  const pinned = () => `${LOGICAL}/app@${image.top.digest}`;
  const layerFetches = (proxy: TamperProxy) => image.layers.map(({ digest }) => countFetches(proxy, digest));
  const NONE = [0, 0, 0];
  const ALL = [1, 1, 1];

  function expectTree(directory: string): void {
    const hashes = image.layers.map((_, number) =>
      createHash('sha256')
        .update(readFileSync(`${directory}/etc/layer-${number}`))
        .digest('hex'),
    );
    expect(new Set(hashes).size).toBe(image.layers.length);
  }

  it('comes from the first mirror, whole, under the name that was written, and nobody else is asked', async () => {
    const { result, directory, warnings } = await pull(`${LOGICAL}/app:latest`);
    expect(result).toMatchObject({ name: `${LOGICAL}/app`, indexDigest: image.top.digest });
    expectTree(directory);
    expect(layerFetches(endpoints.first)).toEqual(ALL);
    expect(endpoints.first.requests.every(({ path }) => path === '/v2/' || path.startsWith('/v2/one/app/'))).toBe(true);
    expect([endpoints.second.requests, endpoints.own.requests]).toEqual([[], []]);
    expect([...warnings, ...result.warnings]).toEqual([]);
  });

  it.each([
    [404, 'REGISTRY_MANIFEST_UNKNOWN|HTTP_STATUS_UNEXPECTED'],
    [401, 'REGISTRY_AUTH_UNSUPPORTED|REGISTRY_AUTH_REJECTED'],
    [403, 'REGISTRY_AUTH_REJECTED'],
    [500, 'HTTP_UNAVAILABLE'],
    [503, 'HTTP_UNAVAILABLE'],
    [429, 'HTTP_UNAVAILABLE'],
  ])('comes from the next mirror when the first answers everything with %i', async (status, code) => {
    answers.set('first', status);
    const { result, directory } = await pull(pinned());
    expectTree(directory);
    expect(layerFetches(endpoints.second)).toEqual(ALL);
    expect(endpoints.own.requests).toEqual([]);
    expect(result.warnings).toHaveLength(1);
    expect(result.warnings[0]).toMatch(new RegExp(`^skipped ${endpoints.first.host}/one/app: (?:${code}): `));
    expect(result.warnings[0]).toContain('(come back later)');
  });

  it('comes from the registry when one mirror is down and the other does not have it', async () => {
    const conf = registriesConf('', ['127.0.0.1:1/one', `${endpoints.second.host}/elsewhere`]);
    const { result, directory } = await pull(pinned(), { conf });
    expectTree(directory);
    expect(layerFetches(endpoints.own)).toEqual(ALL);
    expect(result.warnings).toEqual([
      expect.stringContaining('skipped 127.0.0.1:1/one/app: HTTP_UNAVAILABLE: '),
      expect.stringContaining(`skipped ${endpoints.second.host}/elsewhere/app: REGISTRY_MANIFEST_UNKNOWN: `),
    ]);
  });

  it('fails with the failure of the registry when nobody has it, and says what the others did', async () => {
    answers.set('first', 503);
    answers.set('second', 403);
    const error = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => pull(`${LOGICAL}/absent:latest`));
    expect(error.message).toContain(`${endpoints.first.host}/one/absent: HTTP_UNAVAILABLE`);
    expect(error.message).toContain(`${endpoints.second.host}/two/absent: REGISTRY_AUTH_REJECTED`);
    expect(error.cause).toBeInstanceOf(AggregateError);
  });

  it('never is another one for a tag while everybody is down', async () => {
    for (const name of ['first', 'second', 'own'] as const) answers.set(name, 503);
    const settings = { 'pull.limits.maxTries': 2, 'pull.limits.retryDelayMs': 1, 'pull.limits.maxRetryDelayMs': 2 };
    await expectFailure('HTTP_UNAVAILABLE', () => pull(`${LOGICAL}/app:latest`, { settings }));
  });

  const flip = (digest: string, at = 20): TamperRule => ({ path: digest, alteration: { kind: 'flip', at } });

  it.each([
    ['the index', () => image.top.digest, 'MANIFEST_DIGEST_MISMATCH'],
    ['the manifest', () => image.manifest.digest, 'MANIFEST_DIGEST_MISMATCH'],
    ['the config', () => image.config.digest, 'BLOB_DIGEST_MISMATCH'],
    ['a gzip layer', () => image.layers[0]?.digest ?? '', 'BLOB_DIGEST_MISMATCH'],
    ['a zstd layer', () => image.layers[1]?.digest ?? '', 'BLOB_DIGEST_MISMATCH'],
  ] as const)('passes over a mirror that sends other bytes for %s, and says so', async (_, digestOf, code) => {
    endpoints.first.setRules([flip(digestOf())]);
    const { result, directory, warnings } = await pull(pinned());
    expect(endpoints.first.alteredCount).toBeGreaterThan(0);
    expectTree(directory);
    expect(result.warnings).toEqual([
      expect.stringContaining(`skipped ${endpoints.first.host}/one/app (sent wrong bytes): ${code}: `),
    ]);
    expect(warnings).toEqual(result.warnings);
    expect(endpoints.own.requests).toEqual([]);
  });

  it('passes over a mirror that breaks the archive of an uncompressed layer before its digest is known', async () => {
    endpoints.first.setRules([flip(image.layers[2]?.digest ?? '', 100)]);
    const { result, directory } = await pull(pinned());
    expect(endpoints.first.alteredCount).toBeGreaterThan(0);
    expectTree(directory);
    expect(result.warnings[0]).toMatch(/\(sent wrong bytes\): (?:TAR_INVALID|BLOB_DIGEST_MISMATCH): /);
  });

  it('passes over a mirror that answers a tag with something that is no manifest', async () => {
    endpoints.first.setRules([
      { path: '/manifests/latest', alteration: { kind: 'truncate', bytes: 30, length: 'true' } },
    ]);
    const { result, directory } = await pull(`${LOGICAL}/app:latest`);
    expectTree(directory);
    expect(result.indexDigest).toBe(image.top.digest);
    expect(layerFetches(endpoints.second)).toEqual(ALL);
    expect(result.warnings[0]).toContain('(sent wrong bytes)');
  });

  it('takes a layer that one mirror lacks from the next, and the others from where the manifest came from', async () => {
    const missing = image.layers[1]?.digest ?? '';
    endpoints.first.setRules([flip(missing)]);
    const { directory } = await pull(pinned());
    expectTree(directory);
    // The layers are written to one tree in order, so a wrong layer starts the tree again.
    expect(layerFetches(endpoints.second)).toEqual([0, 1, 0]);
    expect(layerFetches(endpoints.first)).toEqual([2, 1, 1]);
  });

  it('fails when every endpoint sends other bytes', async () => {
    for (const endpoint of Object.values(endpoints)) endpoint.setRules([flip(image.layers[0]?.digest ?? '')]);
    const failed = pull(pinned());
    await expectFailure('BLOB_DIGEST_MISMATCH', () => failed);
    expect(existsSync(scratch.join(`pull-${count}`, 'tree'))).toBe(false);
    for (const endpoint of Object.values(endpoints))
      expect(countFetches(endpoint, image.layers[0]?.digest ?? '')).toBe(1);
  });

  it('is asked for at no further endpoint once a policy has denied it', async () => {
    const policy = scratch.join('policy.json');
    writeFileSync(
      policy,
      JSON.stringify({
        default: [{ type: 'insecureAcceptAnything' }],
        transports: { docker: { [LOGICAL]: [{ type: 'reject' }] } },
      }),
    );
    const settings = { 'pull.policy': policy, 'pull.insecure_policy': false };
    await expectFailure('POLICY_DENIED', () => pull(pinned(), { settings }));
    expect(endpoints.first.requests.length).toBeGreaterThan(0);
    expect(layerFetches(endpoints.first)).toEqual(NONE);
    expect([endpoints.second.requests, endpoints.own.requests]).toEqual([[], []]);
  });

  it('is judged by the name that was written and not by that of the mirror', async () => {
    const policy = scratch.join('mirror-only.json');
    const accept = [{ type: 'insecureAcceptAnything' }];
    const mirrors = Object.values(endpoints).map(({ host }) => [host, accept]);
    writeFileSync(
      policy,
      JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: Object.fromEntries(mirrors) } }),
    );
    await expectFailure('POLICY_DENIED', () =>
      pull(pinned(), { settings: { 'pull.policy': policy, 'pull.insecure_policy': false } }),
    );
  });

  it('is refused before any request where its name is blocked', async () => {
    const error = await expectFailure('REGISTRY_BLOCKED', () =>
      pull(pinned(), { conf: registriesConf('blocked = true') }),
    );
    expect(error.kind).toBe('denied');
    for (const { requests } of Object.values(endpoints)) expect(requests).toEqual([]);
  });

  it('comes from mirrors by digest only where they are for that', async () => {
    const conf = registriesConf('mirror-by-digest-only = true');
    await pull(`${LOGICAL}/app:latest`, { conf });
    expect([endpoints.first.requests, endpoints.second.requests]).toEqual([[], []]);
    expect(layerFetches(endpoints.own)).toEqual(ALL);
    await pull(pinned(), { conf });
    expect(layerFetches(endpoints.first)).toEqual(ALL);
    expect(layerFetches(endpoints.own)).toEqual(ALL);
  });

  it('comes over http only from a endpoint that is called insecure', async () => {
    const conf = registriesConf('', []).replace('insecure = true', '');
    await expectFailure('HTTP_UNAVAILABLE', () => pull(pinned(), { conf, settings: { 'pull.limits.maxTries': 1 } }));
    expect(endpoints.own.requests).toEqual([]);
    await pull(pinned(), { conf: registriesConf('', []) });
    expect(layerFetches(endpoints.own)).toEqual(ALL);
  });

  it('is looked for at the search registries in their order, and judged by the name found', async () => {
    const conf = `unqualified-search-registries = ["${endpoints.first.host}", "${endpoints.own.host}"]
[[registry]]
location = "${endpoints.first.host}"
insecure = true
[[registry]]
location = "${endpoints.own.host}"
insecure = true
`;
    const { result } = await pull('team/app:latest', { conf });
    expect(result.name).toBe(`${endpoints.own.host}/team/app`);
    expect(
      endpoints.first.requests.some(({ path, status }) => path === '/v2/team/app/manifests/latest' && status === 404),
    ).toBe(true);
    // The image may be on a registry that does not answer.
    answers.set('first', 503);
    endpoints.own.setRules([]);
    const settings = { 'pull.limits.maxTries': 1 };
    await expectFailure('HTTP_UNAVAILABLE', () => pull('team/app:latest', { conf, settings }));
    expect(endpoints.own.requests).toEqual([]);
  });

  it('is what an alias says', async () => {
    const conf = `[aliases]\n"shop" = "${endpoints.own.host}/team/app"\n[[registry]]\nlocation = "${endpoints.own.host}"\ninsecure = true`;
    const { result } = await pull(`shop@${image.top.digest}`, { conf });
    expect(result.name).toBe(`${endpoints.own.host}/team/app`);
  });
});
