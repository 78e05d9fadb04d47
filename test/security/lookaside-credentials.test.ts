import { mkdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SettingValues } from '../../src/config/index.ts';
import { mergeRegistries } from '../../src/config/registries/merge-registries.ts';
import { parseRegistries } from '../../src/config/registries/parse-registries.ts';
import { resolveConfiguration } from '../../src/config/resolve-configuration.ts';
import { cliEndpoints, openImageEndpoints } from '../../src/endpoints/index.ts';
import { createTransport } from '../../src/http/transport.ts';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import { cliLookaside } from '../../src/lookaside/index.ts';
import { hashBytes, parseReference } from '../../src/oci/index.ts';
import type { Credentials } from '../../src/registry/index.ts';
import { createResourceLoader } from '../../src/resources/index.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registries/fake-registry.ts';
import { recordingClock } from '../support/registries/http-fixture.ts';
import { makeTestCertificates } from '../support/registries/test-certificates.ts';
import { SignatureServer } from '../support/signatures/signature-server.ts';
import { IS_SOAK } from '../support/soak.ts';

const USER = { username: 'me', password: 'hunter2' } as const;
const PAIR = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
const MANIFEST = Buffer.from('{}');
const DIGEST = hashBytes(MANIFEST);

/** How the user gives credentials, and for which hosts. */
const WAYS = ['--creds', 'entries', 'a helper for all', 'a helper for each'] as const;
/** How the lookaside server behaves. */
const ANSWERS = [404, 200, 401, 403, 'redirect to the registry', 'redirect to itself'] as const;

describeWith(['openssl'], 'credentials and client certificates', () => {
  const scratch = new Scratch('lookaside-credentials');
  let registry: FakeRegistry;
  let pair: { readonly authority: string; readonly certificate: string; readonly key: string };
  let servers: { readonly http: SignatureServer; readonly https: SignatureServer };

  beforeAll(async () => {
    const { authority, server, named } = makeTestCertificates();
    pair = { authority, certificate: named.cert, key: named.key };
    registry = await startFakeRegistry({ auth: { kind: 'basic', ...USER } });
    registry.addManifest('team/app', MANIFEST, 'text/x', '1');
    const headers = { 'x-registry-supports-signatures': '1' };
    registry.inject({ match: /^\/v2\/$/, times: Number.MAX_SAFE_INTEGER, action: { kind: 'headers', headers } });
    servers = { http: await SignatureServer.start(), https: await SignatureServer.start(server) };
    for (const { host } of Object.values(servers)) {
      const folder = scratch.join('certs.d', host);
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/ca.crt`, authority);
      writeFileSync(`${folder}/me.cert`, named.cert);
      writeFileSync(`${folder}/me.key`, named.key);
    }
  });

  afterAll(async () => {
    await registry.close();
    for (const server of Object.values(servers)) await server[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  function writeAuthfile(way: (typeof WAYS)[number]): string {
    const hosts = [registry.host, ...Object.values(servers).flatMap(({ host }) => [host, `${host}/team/app`])];
    const file = {
      '--creds': {},
      entries: { auths: Object.fromEntries(hosts.map((host) => [host, { auth: PAIR }])) },
      'a helper for all': { credsStore: 'test' },
      'a helper for each': { credHelpers: Object.fromEntries(hosts.map((host) => [host, 'test'])) },
    }[way];
    writeFileSync(scratch.join('auth.json'), JSON.stringify(file));
    return scratch.join('auth.json');
  }

  /** Does what a pull does: fetches the manifest, then asks the registry and the lookaside store for signatures. */
  async function search(way: (typeof WAYS)[number], base: string): Promise<void> {
    mkdirSync(scratch.join('d'), { recursive: true });
    writeFileSync(scratch.join('d/s.yaml'), `default-docker: {lookaside: "${base}"}`);
    const values: SettingValues = {
      'pull.authfile': writeAuthfile(way),
      'pull.certs_d': scratch.join('certs.d'),
      'pull.registries_d': scratch.join('d'),
    };
    const configuration = resolveConfiguration([
      { class: 'measured', named: true, originOf: () => 'flag --some', values },
    ]);
    const context = { configuration, limits: DEFAULT_LIMITS, userAgent: 'test', resources: createResourceLoader() };
    const credentials: Credentials | undefined = way === '--creds' ? { kind: 'basic', ...USER } : undefined;
    const answer = JSON.stringify({ ServerURL: '', Username: USER.username, Secret: USER.password });
    const runHelper = async () => ({ kind: 'exited', code: 0, stdout: answer, stderr: '' }) as const;
    const text = `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`;
    const registries = mergeRegistries([parseRegistries({ text, origin: 'r', dialect: 'containers' })]);
    const options = { environment: {}, uid: 0, registries, credentials, certDir: undefined, runHelper };
    const reference = parseReference(`${registry.host}/team/app:1`);
    const { signal } = new AbortController();
    await using transports = new AsyncDisposableStack();
    const openHttp: Parameters<typeof openImageEndpoints>[1]['openHttp'] = (settings) => {
      const limits = { ...DEFAULT_LIMITS, maxTries: 1 };
      const transport = createTransport(settings, { limits, clock: recordingClock() });
      transports.defer(() => transport.close());
      return transport;
    };
    const { supply } = openImageEndpoints(await cliEndpoints(context, options)(reference), {
      ...{ openHttp, limits: DEFAULT_LIMITS, foreignTransport: undefined, onRemark: () => {} },
      clock: { now: () => performance.now() },
    });
    await supply.fetchManifest('1', signal);
    for (const source of supply.signatureSources()) await source.fetchSignatureList(DIGEST, signal);
    const open = cliLookaside({ ...context, pool: { httpClient: openHttp } }, { environment: {}, uid: 0 });
    const { lookaside: store } = await open(reference, signal);
    const location = store?.locate(DIGEST, 1);
    if (store === undefined || location === undefined) throw new Error('expected a store');
    await store.fetchSignature(location, signal).catch(() => undefined);
  }

  it('would be seen by these servers: a request that is given a certificate shows it', async () => {
    const { host, origin } = servers.https;
    const { authority, certificate, key } = pair;
    const hosts = [{ host, extraRoots: [authority], clientCertificates: [{ certificate, key }] }];
    const settings = { tlsVerify: true, extraRoots: [], userAgent: 'test', hosts };
    await using transport = {
      ...{ opened: createTransport(settings, { limits: DEFAULT_LIMITS, clock: recordingClock() }) },
      [Symbol.asyncDispose]: () => transport.opened.close(),
    };
    servers.https.misbehave = undefined;
    servers.https.requests.length = 0;
    const request = { url: `${origin}/x`, method: 'GET', headers: {}, allowHttp: false } as const;
    expect((await transport.opened.fetchDocument(request, 10)).status).toBe(404);
    expect(servers.https.requests).toMatchObject([{ isCertified: true }]);
  });

  it('sigstore-js #1718: go to the registry and never to a lookaside store, however they are given and whatever it answers', async () => {
    const cases = fc.record({
      way: fc.constantFrom(...WAYS),
      scheme: fc.constantFrom('http', 'https'),
      answer: fc.constantFrom(...ANSWERS),
      path: fc.constantFrom('', '/', '/store', '/team/app', '/v2'),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ way, scheme, answer, path }) => {
        const server = servers[scheme];
        registry.requests.length = 0;
        for (const each of Object.values(servers)) each.requests.length = 0;
        server.misbehave = (request, response) => {
          const isFirst = request.url?.startsWith('/again') !== true;
          if (answer === 'redirect to the registry' && isFirst) {
            response.writeHead(302, { location: `${registry.origin}/v2/team/app/manifests/1` }).end();
          } else if (answer === 'redirect to itself' && isFirst) {
            response.writeHead(302, { location: '/again' }).end();
          } else {
            const status = typeof answer === 'number' ? answer : 200;
            response.writeHead(status, { 'www-authenticate': 'Basic realm="x"' }).end('x');
          }
        };
        await search(way, `${server.origin}${path}`);
        // Control: the registry gets them, for the manifest and for its own list of signatures.
        const atRegistry = (match: RegExp) => registry.requestsTo(match).map(({ headers }) => headers['authorization']);
        expect(atRegistry(/^\/v2\/team\/app\/manifests\/1$/)).toContain(`Basic ${PAIR}`);
        expect(atRegistry(/^\/extensions\//)).toEqual([`Basic ${PAIR}`]);
        expect(server.requests.length).toBeGreaterThan(0);
        for (const { headers, path: asked, isCertified } of server.requests) {
          expect([headers.authorization, headers.cookie, isCertified]).toEqual([undefined, undefined, false]);
          expect(`${asked}${JSON.stringify(headers)}`).not.toMatch(/hunter2|bWU6aHVudGVyMg/);
        }
        // A redirect to the registry brings nothing there either.
        if (answer === 'redirect to the registry' && scheme === 'http') {
          expect(atRegistry(/manifests/).at(-1)).toBeUndefined();
        }
      }),
      { numRuns: IS_SOAK ? 300 : 25 },
    );
  });
});
