import { describe, expect, it } from 'vitest';
import {
  assertCredentialsAllowed,
  assertTransportAllowed,
  configureRegistry,
  overridesFor,
} from '../../../../src/config/index.ts';
import { resolveSample } from '../../../support/daemons/daemon-texts.ts';
import { expectFailure } from '../../../support/matchers.ts';

const PEM = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;

const BASE64 = (text: string) => Buffer.from(text).toString('base64');

const VALID = `
[registries."ghcr.io."]
username = "u"
password = "hunter2"
ca-certs = """
Root 1
${PEM('AA')}
Root 2
${PEM('BB')}
"""
[registries."quay.io"]
auth = "${BASE64('u:p:q')}"
[registries."token.example"]
identitytoken = "t"
username = "u"
[registries."bearer.example"]
registrytoken = "r"
identitytoken = "t"
username = "u"
[registries.".example.com"]
insecure-skip-verify = true
[registries."verified.example.com"]
insecure-skip-verify = false
[registries."."]
ca-certs = "none"
[extra-env]
HTTPS_PROXY = "http://p"
NO_PROXY = "internal"
`;

describe("Contrast's imagepuller.toml", () => {
  const configuration = resolveSample({ imagepuller: VALID });
  const override = (host: string) => overridesFor(configuration, host);

  it('sets credentials, certificates and verification by registry, unmeasured', () => {
    expect(override('ghcr.io')).toEqual({
      class: 'unmeasured',
      origin: 'file /i.toml, registries.ghcr.io',
      credentials: { kind: 'basic', username: 'u', password: 'hunter2' },
      rootCertificates: [PEM('AA'), PEM('BB')],
      tlsVerify: undefined,
    });
    expect(override('quay.io')?.credentials).toEqual({ kind: 'basic', username: 'u', password: 'p:q' });
    expect(override('token.example')?.credentials).toEqual({ kind: 'identity-token', token: 't' });
    expect(override('bearer.example')?.credentials).toEqual({ kind: 'registry-token', token: 'r' });
    expect(override('a.example.com')).toMatchObject({ credentials: undefined, tlsVerify: false });
    expect(override('verified.example.com')?.tlsVerify).toBeUndefined();
    expect(override('other.org')?.rootCertificates).toEqual([]);
    expect(configuration.pullObstacles).toEqual([]);
  });

  it('sets proxies, unmeasured and weaker than the kernel command line', () => {
    const { proxy } = configuration.pull;
    expect(proxy.https).toEqual({ value: 'http://p', class: 'unmeasured', origin: 'file /i.toml, extra-env' });
    expect(proxy.noProxy.value).toBe('internal');
    const both = resolveSample({ imagepuller: VALID, kernel: 'agent.https_proxy=http://k' });
    expect(both.pull.proxy.https.value).toBe('http://k');
  });

  it('sets nothing when it is absent or empty', () => {
    for (const sample of [{}, { imagepuller: '' }]) {
      const { registryOverrides, pullObstacles } = resolveSample(sample);
      expect([registryOverrides.size, pullObstacles]).toEqual([0, []]);
    }
  });

  it.each([
    ['[registries."a"]\nuser = "t"', 'registries.a.user: unknown setting'],
    ['policy = "/p"', '/i.toml: policy: unknown setting'],
    ['[extra-env]\nLD_PRELOAD = "/x"', 'extra-env.LD_PRELOAD: ignored, because only proxies'],
  ])('%j is a warning', (imagepuller, warning) => {
    const { warnings, pullObstacles } = resolveSample({ imagepuller });
    expect(warnings).toEqual([expect.stringContaining(warning)]);
    expect(pullObstacles).toEqual([]);
  });

  it.each([
    ['[registries', 'expected TOML'],
    ['[registries."a"]\npassword = 1', 'registries.a.password'],
    ['[registries."a"]\nauth = "hunter2!"', 'registries.a.auth: expected base64'],
    [`[registries."a"]\nauth = "${BASE64('hunter2')}"`, 'registries.a.auth: expected base64 of user:password'],
    ['[registries."a"]\nusername = "u"\npassword = "hunter2\\n"', 'registries.a: expected credentials without control'],
    ['[registries."a"]\nregistrytoken = "hunter2\\r\\nx: y"', 'registries.a.registrytoken: expected printable ASCII'],
    ['[registries."a"]\n[registries."A."]', 'registries.a: expected one table, got two'],
    ['[registries."a"]\n[registries."a"]', 'line 2'],
    ['[extra-env]\nHTTPS_PROXY = "ftp://u:hunter2@p/x"', 'extra-env.HTTPS_PROXY'],
  ])('%j refuses pulls, without quoting it', (imagepuller, key) => {
    const { pullObstacles, registryOverrides } = resolveSample({ imagepuller });
    expect(pullObstacles).toMatchObject([{ code: 'CONFIG_FILE_INVALID', reason: expect.stringContaining(key) }]);
    expect(registryOverrides.size).toBe(0);
    expect(JSON.stringify(pullObstacles)).not.toMatch(/hunter2|aHVudGVyM/);
  });
});

describe('configureRegistry', () => {
  const imagepuller = `
[registries."unverified"]
insecure-skip-verify = true
[registries."rooted"]
ca-certs = """${PEM('AA')}"""
[registries."private"]
username = "u"
`;

  it.each(['unverified', 'rooted'])('the transport of %s serves proven images only', async (host) => {
    const { configuration } = configureRegistry(resolveSample({ imagepuller }), host);
    assertTransportAllowed(configuration, 'digest');
    assertTransportAllowed(configuration, 'signature');
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertTransportAllowed(configuration, 'none'));
    assertCredentialsAllowed(configuration, 'unmeasured');
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertCredentialsAllowed(configuration, 'measured'));
  });

  it.each(['private', 'elsewhere'])('the transport of %s stays as it was', (host) => {
    const whole = resolveSample({ imagepuller });
    const { configuration, systemRoots } = configureRegistry(whole, host);
    expect(configuration.pull).toEqual(whole.pull);
    expect(systemRoots).toBe(true);
    assertTransportAllowed(configuration, 'none');
    assertCredentialsAllowed(configuration, 'measured');
  });

  it('replaces the roots', () => {
    const { configuration, systemRoots } = configureRegistry(resolveSample({ imagepuller }), 'rooted');
    expect(configuration.pull.extraRootCertificates).toEqual({
      value: [PEM('AA')],
      class: 'unmeasured',
      origin: 'file /i.toml, registries.rooted',
    });
    expect(systemRoots).toBe(false);
  });

  it('does not replace measured values', () => {
    const toml = `[pull]\ntls_verify = true\n[image]\nextra_root_certificates = ["""${PEM('BB')}"""]`;
    const whole = resolveSample({ imagepuller, toml });
    for (const host of ['unverified', 'rooted']) {
      const { configuration, systemRoots } = configureRegistry(whole, host);
      expect(configuration.pull).toEqual(whole.pull);
      expect(systemRoots).toBe(true);
    }
  });
});
