import { describe, expect, it } from 'vitest';
import { assertCredentialsAllowed, assertTransportAllowed, configureRegistry } from '../../../../src/config/index.ts';
import { environmentName, SETTINGS } from '../../../../src/config/settings.ts';
import { type DaemonSample, resolveSample } from '../../../support/daemons/daemon-texts.ts';
import { expectFailure } from '../../../support/matchers.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----';
const HOST = 'ghcr.io';

/** The configuration as a pull from HOST sees it. */
const pullFrom = (sample: DaemonSample) => configureRegistry(resolveSample(sample), HOST).configuration;

interface Row {
  readonly name: string;
  readonly sample: DaemonSample;
}

const UNMEASURED: readonly Row[] = [
  { name: 'a proxy of the kernel command line', sample: { kernel: 'agent.https_proxy=http://p' } },
  { name: 'a list of exceptions of the kernel command line', sample: { kernel: 'agent.no_proxy=*' } },
  { name: 'a proxy of the environment', sample: { environment: { HTTPS_PROXY: 'http://p' } } },
  { name: 'our own variable', sample: { environment: { SEALIFT_PULL_TLS_VERIFY: 'false' } } },
  { name: 'a proxy of imagepuller.toml', sample: { imagepuller: '[extra-env]\nHTTPS_PROXY = "http://p"' } },
  {
    name: 'certificates of imagepuller.toml',
    sample: { imagepuller: `[registries."${HOST}"]\nca-certs = """${PEM}"""` },
  },
  {
    name: 'verification switched off in imagepuller.toml',
    sample: { imagepuller: `[registries."${HOST}"]\ninsecure-skip-verify = true` },
  },
];

const MEASURED: readonly Row[] = [
  { name: 'nothing', sample: {} },
  { name: 'a proxy of [image]', sample: { toml: '[image.image_pull_proxy]\nhttps_proxy = "http://p"' } },
  { name: 'certificates of [image]', sample: { toml: `[image]\nextra_root_certificates = ["""${PEM}"""]` } },
  { name: 'our own tables', sample: { toml: '[pull]\ntls_verify = false\n[pull.proxy]\nhttps = "http://p"' } },
  {
    name: 'a measured file beside what the host says for other registries',
    sample: { imagepuller: '[registries."quay.io"]\ninsecure-skip-verify = true' },
  },
];

describe('a transport that the host chose', () => {
  it.each(UNMEASURED)('$name brings images that are proven', ({ sample }) => {
    expect(() => assertTransportAllowed(pullFrom(sample), 'digest')).not.toThrow();
    expect(() => assertTransportAllowed(pullFrom(sample), 'signature')).not.toThrow();
  });

  it.each(UNMEASURED)('$name brings no tag that is accepted unsigned', async ({ sample }) => {
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertTransportAllowed(pullFrom(sample), 'none'));
  });

  it.each(UNMEASURED)('$name carries credentials of its own class only', async ({ sample }) => {
    expect(() => assertCredentialsAllowed(pullFrom(sample), 'unmeasured')).not.toThrow();
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertCredentialsAllowed(pullFrom(sample), 'measured'));
  });
});

describe('a transport that the owner chose', () => {
  it.each(MEASURED)('$name brings everything and carries all credentials', ({ sample }) => {
    for (const proof of ['digest', 'signature', 'none'] as const) {
      expect(() => assertTransportAllowed(pullFrom(sample), proof)).not.toThrow();
    }
    expect(() => assertCredentialsAllowed(pullFrom(sample), 'measured')).not.toThrow();
  });
});

describe('settings that decide which images run, and how much they may take', () => {
  const VALUES: Readonly<Record<string, string>> = {
    'store.layer_format': 'directory',
    'store.verity': 'never',
    'pull.insecure_policy': 'true',
    'pull.foreign_layer_urls': 'true',
    'pull.inflate': 'zlib',
    'pull.not_before': '2027-01-01',
    'log.level': 'debug',
  };
  const measuredOnly = [...SETTINGS].filter(([, { settableBy }]) => settableBy !== 'any').map(([setting]) => setting);

  it.each(measuredOnly)('%s does not come from the environment of the daemon', async (setting) => {
    const isNumber = setting.startsWith('pull.limits.') || setting === 'store.min_free_bytes';
    const value = VALUES[setting] ?? (isNumber ? '20' : '/x');
    const error = await expectFailure('CONFIG_CLASS_REFUSED', () =>
      resolveSample({ environment: { [environmentName(setting)]: value } }),
    );
    expect(error.context).toMatchObject({ setting });
  });

  it.each([
    ['policy', 'agent.image_policy_file=/p agent.enable_signature_verification=true'],
    ['credentials', 'agent.image_registry_auth=/a'],
  ])('the %s of the kernel command line refuses pulls', (_, kernel) => {
    expect(resolveSample({ kernel }).pullObstacles).toMatchObject([{ code: 'CONFIG_CLASS_REFUSED' }]);
  });

  it.each([
    ['image_security_policy', 'image_security_policy = "{}"'],
    ['image_security_policy_uri', 'image_security_policy_uri = "file:///p"'],
    ['sigstore_config', 'sigstore_config = ""'],
    ['image.image_security_policy', '[image]\nimage_security_policy = "{}"'],
    ['image.sigstore_config_uri', '[image]\nsigstore_config_uri = "file:///s"'],
    ['pull.policy', '[pull]\npolicy = "/p"'],
    ['pull.insecure_policy', '[pull]\ninsecure_policy = true'],
    ['pull.registries_d', '[pull]\nregistries_d = "/d"'],
  ])('%s of imagepuller.toml refuses pulls', (key, imagepuller) => {
    expect(resolveSample({ imagepuller }).pullObstacles).toMatchObject([
      { code: 'CONFIG_CLASS_REFUSED', key, hint: expect.stringContaining(`remove ${key} from`) },
    ]);
    // Control: other keys of the same tables are no choice of images.
    expect(resolveSample({ imagepuller: '[image]\nmax = 1\n[pull]\nx = 1' }).pullObstacles).toEqual([]);
  });

  it('imagepuller.toml changes nothing but the transport', () => {
    const imagepuller = `
policy = "/p"
[image]
image_security_policy = "{}"
[pull]
insecure_policy = true
[registries."${HOST}"]
blocked = false
`;
    const { pull, inlinePolicy, volume, api, store } = resolveSample({ imagepuller });
    const nothing = resolveSample({});
    expect({ pull, inlinePolicy, volume, api, store }).toEqual({
      pull: nothing.pull,
      inlinePolicy: nothing.inlinePolicy,
      volume: nothing.volume,
      api: nothing.api,
      store: nothing.store,
    });
  });
});
