import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertTransportAllowed, loadDaemonRegistries } from '../../../src/config/index.ts';
import { daemonEndpoints } from '../../../src/endpoints/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { parseReference } from '../../../src/oci/index.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { type DaemonSample, resolveSample } from '../../support/daemons/daemon-texts.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const PINNED = `app.io/x@${DIGEST}`;
const TAG = 'app.io/x:1';

/** Credentials in which each host has a user of its own name. */
const AUTHS = Object.fromEntries(
  ['app.io', 'mirror.io', 'host-mirror.io'].map((host) => [host, { username: host, password: 'measured' }]),
);

const MEASURED_MIRROR = `
[[image.registry_config.registry]]
location = "app.io"
[[image.registry_config.registry.mirror]]
location = "mirror.io/app"
insecure = true
`;

const HOST_MIRROR = `
[registries."app.io"]
mirror = "http://host-mirror.io:8080/cache/"
username = "app"
password = "unmeasured"
[registries."host-mirror.io:8080"]
username = "cache"
password = "unmeasured"
`;

describe('the places that the daemon asks', () => {
  const scratch = new Scratch('endpoints');
  let certificates: TestCertificates;

  beforeAll(() => {
    certificates = makeTestCertificates();
    writeFileSync(scratch.join('auth.json'), JSON.stringify({ auths: AUTHS }));
    for (const host of ['mirror.io', 'host-mirror.io:8080']) {
      mkdirSync(scratch.join('certs.d', host), { recursive: true });
      writeFileSync(scratch.join('certs.d', host, 'ca.crt'), certificates.authority);
      writeFileSync(scratch.join('certs.d', host, 'me.cert'), certificates.named.cert);
      writeFileSync(scratch.join('certs.d', host, 'me.key'), certificates.named.key);
    }
  });
  afterAll(() => scratch[Symbol.dispose]());

  async function endpointsOf(name: string, sample: DaemonSample) {
    const configuration = resolveSample(sample);
    const resources = createResourceLoader();
    const context = { configuration, limits: DEFAULT_LIMITS, userAgent: 'test', resources };
    const load = { resources, maxBytes: DEFAULT_LIMITS.maxConfigurationBytes };
    const registries = await loadDaemonRegistries(configuration, load);
    return daemonEndpoints(context, registries)(parseReference(name));
  }

  const usersOf = async (name: string, sample: DaemonSample) =>
    (await endpointsOf(name, sample)).map(({ reference, credentials }) => [
      `${reference.domain}/${reference.path}`,
      typeof credentials === 'object' && credentials.kind === 'basic'
        ? `${credentials.username}:${credentials.password}`
        : undefined,
    ]);

  const withAuthfile = (toml: string) => `[pull]\nauthfile = "${scratch.join('auth.json')}"\n${toml}`;

  it('say where the credentials are looked for that are missing', async () => {
    const hintsOf = async (sample: DaemonSample) =>
      (await endpointsOf(PINNED, sample)).map(({ missingCredentialsHint }) => missingCredentialsHint);
    const setting = 'image.authenticated_registry_credentials_uri (pull.authfile)';
    expect(await hintsOf({})).toEqual([
      `no credentials for app.io are configured: name a file that has them in ${setting}`,
    ]);
    const authfile = scratch.join('auth.json');
    expect(await hintsOf({ toml: `[pull]\nauthfile = "${authfile}"` })).toEqual([
      `no credentials for app.io were found in ${authfile}, the file of ${setting}`,
    ]);
  });

  it('are the measured mirrors for every image, each with the credentials of its own host', async () => {
    for (const name of [PINNED, TAG]) {
      expect(await usersOf(name, { toml: withAuthfile(MEASURED_MIRROR) })).toEqual([
        ['mirror.io/app/x', 'mirror.io:measured'],
        ['app.io/x', 'app.io:measured'],
      ]);
    }
  });

  it('run no credential helper, and say so', async () => {
    const path = scratch.join('helpers.json');
    writeFileSync(path, JSON.stringify({ credHelpers: { 'app.io': 'some' }, auths: { 'app.io': { username: 'u' } } }));
    const [app] = await endpointsOf(PINNED, { toml: `[pull]\nauthfile = "${path}"` });
    expect(app?.credentials).toBeUndefined();
    expect(app?.remark).toContain('docker-credential-some is not run here');
    const [other] = await endpointsOf(PINNED.replace('app.io', 'other.io'), { toml: `[pull]\nauthfile = "${path}"` });
    expect([other?.credentials, other?.remark]).toEqual([undefined, undefined]);
  });

  it('may speak http where a measured mirror is called insecure, and nowhere else', async () => {
    const [mirror, own] = await endpointsOf(TAG, { toml: MEASURED_MIRROR });
    expect([mirror?.allowHttp, own?.allowHttp]).toEqual([true, false]);
    expect(mirror?.transport.hosts).toEqual([{ host: 'mirror.io', tlsVerify: false }]);
    expect(own?.transport.hosts).toBeUndefined();
    expect([mirror?.transport.tlsVerify, own?.transport.tlsVerify]).toEqual([true, true]);
    for (const { configuration } of [mirror, own].filter((each) => each !== undefined)) {
      expect(() => assertTransportAllowed(configuration, 'none')).not.toThrow();
    }
  });

  it('are an unmeasured mirror too where the image is pinned, with credentials of its own class', async () => {
    const endpoints = await endpointsOf(PINNED, { imagepuller: HOST_MIRROR });
    expect(endpoints[0]).toMatchObject({
      mirrorApi: { prefix: '/cache', namespace: 'app.io' },
      reference: { domain: 'host-mirror.io:8080', path: 'x', digest: DIGEST },
      allowHttp: true,
    });
    expect(await usersOf(PINNED, { imagepuller: HOST_MIRROR })).toEqual([
      ['host-mirror.io:8080/x', 'cache:unmeasured'],
      ['app.io/x', 'app:unmeasured'],
    ]);
  });

  it('trust an unmeasured mirror as the registry that it stands for, without the credentials of that', async () => {
    const pem = certificates.authority.trim();
    const imagepuller = `[registries."app.io"]\nmirror = "https://m.io"\nusername = "app"\nca-certs = """${pem}"""`;
    const [mirror, own] = await endpointsOf(PINNED, { imagepuller });
    for (const endpoint of [mirror, own]) {
      expect(endpoint?.transport).toMatchObject({ extraRoots: [pem], systemRoots: false, tlsVerify: true });
    }
    expect([mirror?.credentials, own?.credentials]).toMatchObject([undefined, { username: 'app' }]);
    const [entry] = await endpointsOf(PINNED, { imagepuller: `${imagepuller}\n[registries."m.io"]\nusername = "m"` });
    expect(entry?.transport).toMatchObject({ extraRoots: [], systemRoots: true });
    expect(entry?.credentials).toMatchObject({ username: 'm' });
  });

  it('are no unmeasured mirror for a tag, nor unmeasured credentials', async () => {
    expect(await usersOf(TAG, { imagepuller: HOST_MIRROR })).toEqual([['app.io/x', undefined]]);
  });

  it('give an unmeasured mirror no measured credentials and no client certificate, even under its name', async () => {
    const imagepuller = '[registries."app.io"]\nmirror = "https://mirror.io"';
    const toml = withAuthfile(`certs_d = "${scratch.join('certs.d')}"`);
    const [mirror, own] = await endpointsOf(PINNED, { toml, imagepuller });
    expect(mirror).toMatchObject({ reference: { domain: 'mirror.io' }, credentials: undefined });
    expect(mirror?.transport.hosts).toBeUndefined();
    expect(own?.credentials).toMatchObject({ username: 'app.io' });
    // The same endpoint, as it would be if the owner had chosen it.
    const [measured] = await endpointsOf(PINNED, { toml: `${toml}\n${MEASURED_MIRROR}` });
    expect(measured).toMatchObject({ reference: { domain: 'mirror.io' }, credentials: { username: 'mirror.io' } });
    expect(measured?.transport.hosts?.[0]?.clientCertificates).toHaveLength(1);
  });

  it('never leave what the owner has blocked, whatever the host says', async () => {
    const blocked = (location: string) =>
      `[[image.registry_config.registry]]\nlocation = "${location}"\nblocked = true`;
    const sample = { imagepuller: HOST_MIRROR };
    await expectFailure('REGISTRY_BLOCKED', () => endpointsOf(PINNED, { ...sample, toml: blocked('app.io') }));
    const withoutMirror = await usersOf(PINNED, { ...sample, toml: blocked('host-mirror.io') });
    expect(withoutMirror).toEqual([['app.io/x', 'app:unmeasured']]);
  });

  it.each([
    'blocked = true',
    'location = "evil.io"',
    'prefix = "app.io"',
    'unqualified-search-registries = ["evil.io"]',
  ])('are not moved by what imagepuller.toml cannot say: %s', async (line) => {
    const plain = await usersOf(PINNED, {});
    expect(await usersOf(PINNED, { imagepuller: `${line}\n[registries."app.io"]\n${line}` })).toEqual(plain);
  });

  it('carry measured credentials over no way that the host has chosen, to a mirror either', async () => {
    const imagepuller = '[registries."mirror.io"]\ninsecure-skip-verify = true';
    await expectFailure('CONFIG_CLASS_REFUSED', () =>
      endpointsOf(PINNED, { toml: withAuthfile(MEASURED_MIRROR), imagepuller }),
    );
    expect(await usersOf(PINNED, { toml: MEASURED_MIRROR, imagepuller })).toHaveLength(2);
    const tagged = await endpointsOf(TAG, { toml: MEASURED_MIRROR, imagepuller });
    const configurations = tagged.map((each) => each.configuration);
    const [mirror] = configurations;
    expect(mirror).toBeDefined();
    await expectFailure('CONFIG_CLASS_REFUSED', () => {
      for (const configuration of configurations) assertTransportAllowed(configuration, 'none');
    });
  });

  it('show a client certificate over no way that the host has chosen', async () => {
    const imagepuller = '[registries."mirror.io"]\ninsecure-skip-verify = true';
    const toml = `[pull]\ncerts_d = "${scratch.join('certs.d')}"\n${MEASURED_MIRROR}`;
    expect(await endpointsOf(PINNED, { toml })).toHaveLength(2);
    await expectFailure('CONFIG_CLASS_REFUSED', () => endpointsOf(PINNED, { toml, imagepuller }));
  });

  it.each([
    ['no URL', 'mirror.io'],
    ['another scheme', 'ftp://mirror.io'],
    ['credentials', 'https://u:s3cret@mirror.io'],
    ['a query', 'https://mirror.io/?ns=x'],
  ])('refuse a mirror with %s as an obstacle', (_, mirror) => {
    const { pullObstacles } = resolveSample({ imagepuller: `[registries."a.io"]\nmirror = "${mirror}"` });
    expect(pullObstacles).toMatchObject([{ code: 'CONFIG_FILE_INVALID', key: 'imagepuller.toml' }]);
    expect(JSON.stringify(pullObstacles)).not.toContain('s3cret');
  });
});
