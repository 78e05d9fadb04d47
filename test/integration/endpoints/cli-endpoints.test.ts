import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { mergeRegistries } from '../../../src/config/registries/merge-registries.ts';
import { parseRegistries } from '../../../src/config/registries/parse-registries.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { cliEndpoints } from '../../../src/endpoints/index.ts';
import type { EndpointContext } from '../../../src/endpoints/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { parseReference } from '../../../src/oci/index.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeTestCertificates } from '../../support/registries/test-certificates.ts';

const REGISTRIES = `
[[registry]]
location = "app.io"
[[registry.mirror]]
location = "mirror.io:5000"
insecure = true
[[registry]]
prefix = "moved.io"
location = "app.io/moved"
`;

describe('the places that the command line asks', () => {
  const scratch = new Scratch('cli-endpoints');

  beforeAll(() => {
    const { authority, server, named } = makeTestCertificates();
    for (const folder of ['certs.d/mirror.io:5000', 'certs.d/app.io', 'mine']) {
      mkdirSync(scratch.join(folder), { recursive: true });
    }
    writeFileSync(scratch.join('certs.d/mirror.io:5000/ca.crt'), authority);
    writeFileSync(scratch.join('certs.d/app.io/ca.crt'), server.cert);
    writeFileSync(scratch.join('mine/me.cert'), named.cert);
    writeFileSync(scratch.join('mine/me.key'), named.key);
  });
  afterAll(() => scratch[Symbol.dispose]());

  function endpointsOf(name: string, values: SettingValues = {}, certDir?: string) {
    const source = { class: 'measured', named: true, originOf: () => 'flag --some', values } as const;
    const configuration = resolveConfiguration([source]);
    const resources = createResourceLoader();
    const context: EndpointContext = { configuration, limits: DEFAULT_LIMITS, userAgent: 'test', resources };
    const registries = mergeRegistries([parseRegistries({ text: REGISTRIES, origin: 'r', dialect: 'containers' })]);
    const runHelper = async () => ({ kind: 'missing' }) as const;
    const options = { environment: {}, uid: 0, registries, credentials: undefined, certDir, runHelper };
    return cliEndpoints(context, options)(parseReference(name));
  }

  const hostsOf = async (...parameters: Parameters<typeof endpointsOf>) =>
    (await endpointsOf(...parameters)).map(({ allowHttp, transport: { hosts = [] } }) => ({ allowHttp, ...hosts[0] }));

  it('may be insecure as registries.conf says', async () => {
    expect(await hostsOf('app.io/x')).toEqual([
      { allowHttp: true, host: 'mirror.io:5000', tlsVerify: false },
      { allowHttp: false },
    ]);
  });

  it('are verified all of them where a flag says so, and none where it says the contrary', async () => {
    expect(await hostsOf('app.io/x', { 'pull.tls_verify': true })).toEqual([
      { allowHttp: false },
      { allowHttp: false },
    ]);
    const unverified = await endpointsOf('app.io/x', { 'pull.tls_verify': false });
    expect(unverified.map(({ allowHttp, transport }) => [allowHttp, transport.tlsVerify])).toEqual([
      [true, false],
      [true, false],
    ]);
  });

  it('have the certificates of their own folder in certs.d', async () => {
    const [mirror, own] = await hostsOf('app.io/x', { 'pull.certs_d': scratch.join('certs.d') });
    expect([mirror?.host, mirror?.extraRoots?.length]).toEqual(['mirror.io:5000', 1]);
    expect([own?.host, own?.extraRoots?.length]).toEqual(['app.io', 1]);
    expect(mirror?.extraRoots).not.toEqual(own?.extraRoots);
  });

  it('see what --cert-dir has only where the reference names them', async () => {
    const certs = { 'pull.certs_d': scratch.join('certs.d') };
    const counts = async (name: string) => {
      const hosts = await hostsOf(name, certs, scratch.join('mine'));
      return hosts.map(({ clientCertificates = [] }) => clientCertificates.length);
    };
    expect(await counts('app.io/x')).toEqual([0, 1]);
    expect(await counts('moved.io/x')).toEqual([0]);
  });

  it('cannot be asked with a --cert-dir that is not there', async () => {
    await expectFailure('CERTIFICATES_INVALID', () => endpointsOf('app.io/x', {}, scratch.join('absent')));
  });

  it('say where the credentials are looked for that are missing', async () => {
    const hintsOf = async (...parameters: Parameters<typeof endpointsOf>) =>
      (await endpointsOf(...parameters)).map(({ missingCredentialsHint }) => missingCredentialsHint);
    const remedy = 'log in to it with podman or skopeo, or give --authfile or --creds';
    expect(await hintsOf('app.io/x')).toEqual([
      `no credentials for mirror.io:5000 were found in /run/containers/0/auth.json: ${remedy}`,
      `no credentials for app.io were found in /run/containers/0/auth.json: ${remedy}`,
    ]);
    const authfile = scratch.join('mine.json');
    writeFileSync(authfile, '{}');
    expect(await hintsOf('moved.io/x', { 'pull.authfile': authfile })).toEqual([
      `no credentials for app.io were found in ${authfile}: ${remedy}`,
    ]);
  });

  it('are the API of Docker Hub under its own name', async () => {
    const certs = scratch.join('hub.d');
    mkdirSync(`${certs}/docker.io`, { recursive: true });
    expect(await hostsOf('busybox', { 'pull.certs_d': certs })).toMatchObject([{ host: 'registry-1.docker.io' }]);
  });
});
