import { describe, expect, it } from 'vitest';
import { obstacleError } from '../../../../src/config/index.ts';
import { type DaemonSample, resolveSample } from '../../../support/daemons/daemon-texts.ts';
import { expectFailure } from '../../../support/matchers.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
const POLICY = '[image]\nimage_security_policy_uri = "kbs://kbs.example/default/policy/1"\n';
const HUB = '[api]\npassthrough_socket = "unix:///run/hub.sock"\n';
const KBS = '[kbc]\nname = "cc_kbc"\nurl = "https://kbs.example/base/"\n';
const OFFLINE = '[kbc]\nname = "offline_fs_kbc"\n';
const OFFLINE_FILES = ['/etc/aa-offline_fs_kbc-keys.json', '/etc/aa-offline_fs_kbc-resources.json'];

const brokerOf = (sample: DaemonSample) => resolveSample(sample).keyBroker;

describe('the key broker', () => {
  it('is the confidential-data-hub at api.passthrough_socket, whatever else is configured', () => {
    for (const toml of [HUB, HUB + KBS, HUB + OFFLINE]) {
      expect(brokerOf({ toml })).toEqual({
        value: { kind: 'hub', socketPath: '/run/hub.sock' },
        class: 'measured',
        origin: 'file /c.toml',
      });
    }
  });

  it.each([
    '[api]\npassthrough_socket = "unix:///run/confidential-containers/cdh.sock"\n',
    'socket = "/run/cdh.sock"\n[api]\npassthrough_socket = "unix:///run/cdh.sock"\n',
  ])('is not the daemon itself: %j', async (toml) => {
    const { message } = await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }));
    expect(message).toContain('api.passthrough_socket: expected the socket of another program');
  });

  it('is asked over https, with tokens of the attestation agent', () => {
    const agent = '[aa]\naa_socket = "unix:///run/aa.sock"\n';
    const kbs = { kind: 'kbs', url: 'https://kbs.example/base', agentSocketPath: '/run/aa.sock' };
    expect(brokerOf({ toml: KBS + agent }).value).toEqual({ ...kbs, certificates: [] });
    const pinned = `${KBS}kbs_cert = """${PEM}\n${PEM}"""\n${agent}`;
    expect(brokerOf({ toml: pinned }).value).toEqual({ ...kbs, certificates: [PEM, PEM] });
    const environment = { AA_SOCKET: '/run/other.sock' };
    expect(brokerOf({ toml: KBS + agent, environment }).value).toMatchObject({ agentSocketPath: '/run/other.sock' });
  });

  it('is files of the guest, and the further ones that the configuration names', () => {
    expect(brokerOf({ toml: OFFLINE }).value).toEqual({ kind: 'files', paths: OFFLINE_FILES });
    const toml = `${OFFLINE}[keybroker]\noffline_files = ["/a.json", "/b.json"]\n`;
    expect(brokerOf({ toml }).value).toEqual({ kind: 'files', paths: [...OFFLINE_FILES, '/a.json', '/b.json'] });
  });

  it('gives each document that a key of the [image] table names', () => {
    const uris = ['image_security_policy', 'authenticated_registry_credentials', 'sigstore_config']
      .map((key, index) => `${key}_uri = "kbs:///a/b/${index}"`)
      .join('\n');
    const toml = `${OFFLINE}[image]\n${uris}\nregistry_configuration_uri = "kbs+p://host/x?y"\n`;
    const { pull, imageLookaside, imageRegistries, pullObstacles, warnings } = resolveSample({ toml });
    expect([pull.policy, pull.authfile]).toMatchObject([
      { value: 'kbs:///a/b/0', class: 'measured' },
      { value: 'kbs:///a/b/1', class: 'measured' },
    ]);
    expect([imageLookaside.value, imageRegistries.value]).toEqual([
      { kind: 'uri', uri: 'kbs:///a/b/2' },
      { kind: 'uri', uri: 'kbs+p:///x?y' },
    ]);
    expect([pullObstacles, warnings]).toEqual([[], []]);
    const environment = { CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS: 'kbs:///a/b/9' };
    expect(resolveSample({ toml, environment }).pull.authfile).toMatchObject({ value: 'kbs:///a/b/9' });
  });

  it('opens sealed secrets if it is a confidential-data-hub', () => {
    const image = '[image]\nauthenticated_registry_credentials_uri = "sealed.a.b.c"\n';
    expect(resolveSample({ toml: HUB + image })).toMatchObject({
      pull: { authfile: { value: 'sealed.a.b.c' } },
      pullObstacles: [],
    });
    expect(resolveSample({ toml: OFFLINE + image }).pullObstacles).toMatchObject([
      { code: 'CONFIG_UNSUPPORTED', reason: 'a sealed secret needs api.passthrough_socket' },
    ]);
  });

  it.each([
    ['', 'no key broker is configured'],
    ['[kbc]\nurl = "https://kbs.example"\n', 'no key broker is configured'],
    ['[kbc]\nname = "sample_kbc"\n', 'kbc.name: expected cc_kbc or offline_fs_kbc'],
    ['[kbc]\nname = "cc_kbc"\n', 'kbc.url: expected https://'],
    ['[kbc]\nname = "cc_kbc"\nurl = "http://kbs.example"\n', 'kbc.url: expected https://'],
    ['[kbc]\nname = "cc_kbc"\nurl = "https://u:hunter2@kbs.example"\n', 'kbc.url: expected https://'],
    ['[kbc]\nname = "cc_kbc"\nurl = "https://kbs.example/?a"\n', 'kbc.url: expected https://'],
    ['[kbc]\nname = "cc_kbc"\nurl = "kbs"\n', 'kbc.url: expected https://'],
    [`${KBS}kbs_cert = "x"\n`, 'kbc.kbs_cert: expected a PEM certificate'],
  ])('that is none prevents the pulls that need it, and no others: %j', async (toml, reason) => {
    expect(resolveSample({ toml }).pullObstacles).toEqual([]);
    const configuration = resolveSample({ toml: toml + POLICY });
    const { message, hint } = await expectFailure('CONFIG_UNSUPPORTED', () => {
      throw obstacleError(configuration);
    });
    expect(message).toContain(`image.image_security_policy_uri: `);
    expect(message).toContain(reason);
    expect(message + hint).not.toContain('hunter2');
    expect(configuration.pull.policy.value).toBeUndefined();
  });
});

describe('sources that the host can write', () => {
  it.each<[string, DaemonSample]>([
    ['environment AA_KBC_PARAMS', { environment: { AA_KBC_PARAMS: 'offline_fs_kbc::null' } }],
    ['kernel command line agent.aa_kbc_params', { kernel: 'agent.aa_kbc_params=cc_kbc::https://kbs.example' }],
    ['environment KBS_CERT', { toml: KBS, environment: { KBS_CERT: PEM } }],
    [
      'environment OFFLINE_FS_KBC_EXTRA_FILE_PATH',
      { toml: OFFLINE, environment: { OFFLINE_FS_KBC_EXTRA_FILE_PATH: '/host/resources.json' } },
    ],
  ])('do not choose the key broker: %s', async (source, { toml = '', ...sample }) => {
    const { message } = await expectFailure('CONFIG_CLASS_REFUSED', () => {
      throw obstacleError(resolveSample({ ...sample, toml: toml + POLICY }));
    });
    expect(message).toContain(`${source}: expected a measured source for the key broker`);
    // A key of a policy is only known when the policy is read.
    expect(resolveSample({ ...sample, toml })).toMatchObject({
      pullObstacles: [],
      keyBroker: { value: { kind: 'none', code: 'CONFIG_CLASS_REFUSED' } },
    });
  });

  it('are overridden by the measured file, with a warning', () => {
    const environment = { AA_KBC_PARAMS: 'x::y', KBS_CERT: PEM, OFFLINE_FS_KBC_EXTRA_FILE_PATH: '/x' };
    const toml = `${OFFLINE}[keybroker]\noffline_files = []\n${POLICY}`;
    const { keyBroker, pullObstacles, warnings } = resolveSample({ toml, environment });
    expect([keyBroker.value, pullObstacles]).toEqual([{ kind: 'files', paths: OFFLINE_FILES }, []]);
    expect(warnings).toEqual(
      Object.keys(environment).map(
        (name) => `environment ${name}: ignored, because file /c.toml says which key broker is asked`,
      ),
    );
    const kernel = 'agent.aa_kbc_params=cc_kbc::https://kbs.example';
    expect(resolveSample({ toml: OFFLINE + POLICY, kernel })).toMatchObject({ pullObstacles: [], warnings: [] });
  });

  it.each([
    ['kbc', '[kbc]\nname = "offline_fs_kbc"'],
    ['api', '[api]\npassthrough_socket = "/x"'],
    ['aa', '[aa]\naa_socket = "/x"'],
    ['keybroker', '[keybroker]\noffline_files = ["/x"]'],
    ['credentials', '[[credentials]]\npath = "/x"'],
    ['extra-env.AA_KBC_PARAMS', '[extra-env]\nAA_KBC_PARAMS = "x"'],
    ['extra-env.KBS_CERT', '[extra-env]\nKBS_CERT = "x"'],
    ['extra-env.OFFLINE_FS_KBC_EXTRA_FILE_PATH', '[extra-env]\nOFFLINE_FS_KBC_EXTRA_FILE_PATH = "x"'],
  ])('prevent every pull when imagepuller.toml has %s', (key, imagepuller) => {
    for (const toml of ['', HUB]) {
      const { pullObstacles, warnings } = resolveSample({ toml, imagepuller });
      expect(pullObstacles).toMatchObject([{ code: 'CONFIG_CLASS_REFUSED', key, origin: 'file /i.toml' }]);
      expect(warnings).toEqual([]);
    }
  });
});
