import { describe, expect, it } from 'vitest';
import { API_SERVICES } from '../../../../src/config/daemon/types.ts';
import { type DaemonConfiguration, obstacleError, resolveDaemonConfiguration } from '../../../../src/config/index.ts';
import { type DaemonSample, resolveSample } from '../../../support/daemons/daemon-texts.ts';
import { expectFailure } from '../../../support/matchers.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n';

const VALID = `
socket = "unix:///run/hub.sock"
skip_sealed_secret_verification = true

[aa]
aa_socket = "unix:///run/aa.sock"

[kbc]
name = "cc_kbc"
url = "http://kbs.example"
kbs_cert = """${PEM}"""

[image]
work_dir = "/run/images/"
max_concurrent_layer_downloads_per_image = 2
image_security_policy_uri = "file:///run/policy.json"
authenticated_registry_credentials_uri = "/run/auth.json"
extra_root_certificates = ["""${PEM}"""]

[image.image_pull_proxy]
https_proxy = "http://proxy:1"
http_proxy = "http://proxy:2"
no_proxy = "internal"

[store]
state = "/run/state"
min_free_bytes = 7

[pull]
platform = "linux/arm64"

[pull.limits]
max_layers = 3

[log]
level = "off"

[volume]
devices = ["/dev/x"]
wait_ms = 5
required = false
integrity = "aegis128"
mount_roots = ["/run/volumes/"]
memory_mount_point = "/run/memory"
memory_size = "7%"
allow_directory_layers = true

[api]
bundle_roots = ["/run/b"]
passthrough_socket = "unix:///run/other.sock"
ready_file = "/run/ready"
max_pulls = 2
`;

/** Returns the value without class and origin. */
function plain(value: unknown): unknown {
  if (Array.isArray(value) || value instanceof Map || typeof value !== 'object' || value === null) return value;
  if ('origin' in value && 'class' in value && 'value' in value) return value.value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

const keysOf = ({ pullObstacles }: DaemonConfiguration) => pullObstacles.map(({ code, key }) => [code, key]);

describe('the file given with -c', () => {
  it('sets everything it names, measured', () => {
    const configuration = resolveSample({ toml: VALID });
    const { pull, volume, api, ...rest } = configuration;
    expect(plain(volume)).toEqual({
      devices: ['/dev/x'],
      waitMs: 5,
      required: false,
      integrity: 'aegis128',
      mountRoots: ['/run/volumes'],
      mountPoint: '/run/images',
      memoryMountPoint: '/run/memory',
      memorySize: { kind: 'percent', percent: 7 },
      allowDirectoryLayers: true,
    });
    expect(plain(api)).toEqual({
      sockets: [{ path: '/run/hub.sock', services: API_SERVICES }],
      bundleRoots: ['/run/b'],
      passthroughSocket: '/run/other.sock',
      aaSocket: '/run/aa.sock',
      readyFile: '/run/ready',
      maxPulls: 2,
    });
    expect(plain(pull)).toMatchObject({
      policy: '/run/policy.json',
      authfile: '/run/auth.json',
      extraRootCertificates: [PEM],
      proxy: { https: 'http://proxy:1', http: 'http://proxy:2', noProxy: 'internal' },
      platform: 'linux/arm64',
      limits: { maxLayers: 3 },
    });
    expect(plain(rest)).toMatchObject({
      store: { data: '/run/images', state: '/run/state', minFreeBytes: 7 },
      log: { level: 'silent' },
      maxLayerDownloads: 2,
      inlinePolicy: undefined,
      pullObstacles: [],
      warnings: [],
    });
    expect(pull.policy).toEqual({ value: '/run/policy.json', class: 'measured', origin: 'file /c.toml' });
    expect(volume.integrity).toEqual({ value: 'aegis128', class: 'measured', origin: 'file /c.toml' });
    expect(JSON.stringify(configuration)).not.toContain('"unmeasured"');
  });

  it('may be JSON', () => {
    const text = '{"volume":{"memory_size":1048576},"image":{"image_security_policy":"{}"}}';
    const file = { path: '/c.json', text };
    const result = resolveDaemonConfiguration({ file, environment: {}, kernelCommandLine: '', imagepuller: undefined });
    expect(result.volume.memorySize.value).toEqual({ kind: 'bytes', bytes: 1_048_576 });
    expect(result.inlinePolicy).toEqual({ value: '{}', class: 'measured', origin: 'file /c.json' });
  });

  it('sets nothing when there is none', () => {
    const { volume, api, pull, store, pullObstacles } = resolveSample({});
    for (const setting of [...Object.values(volume), ...Object.values(api), pull.policy, pull.authfile, store.state]) {
      expect(setting).toMatchObject({ class: 'measured', origin: 'default' });
    }
    expect(store.data.value).toBe('/run/kata-containers/image');
    expect(pullObstacles).toEqual([]);
  });

  it.each([
    ['[volume]\ndevice = ["/dev/x"]', 'volume.device: unknown setting'],
    ['[api]\nsocket = "/x"', 'api.socket: unknown setting'],
    ['[[api.sockets]]\npath = "/x"\nservice = []', 'api.sockets.0.service: unknown setting'],
    ['[store]\nrooot = "/r"', 'store.rooot: unknown setting'],
    ['[pull]\npolicies = "/r"', 'pull.policies: unknown setting'],
    ['[log]\nlevels = "info"', 'log.levels: unknown setting'],
    ['[log]\nlevel = "loud"', 'log.level:'],
    ['[volume]\ndevices = "/dev/x"', 'volume.devices:'],
    ['[volume]\ndevices = ["image_store"]', 'volume.devices.0: expected an absolute path'],
    ['[volume]\nwait_ms = -1', 'volume.wait_ms:'],
    ['[volume]\nwait_ms = 2147483648', 'volume.wait_ms:'],
    ['[volume]\nrequired = "no"', 'volume.required:'],
    ['[volume]\nintegrity = "none"', 'volume.integrity:'],
    ['[volume]\nmemory_size = "0%"', 'volume.memory_size: expected bytes, or a percentage'],
    ['[volume]\nmemory_size = "101%"', 'volume.memory_size:'],
    ['[volume]\nmemory_size = "50"', 'volume.memory_size:'],
    ['[volume]\nmemory_size = 0', 'volume.memory_size:'],
    ['[volume]\nmount_point = "image"', 'volume.mount_point:'],
    ['[api]\nsockets = []', 'api.sockets:'],
    ['[[api.sockets]]\nservices = []', 'api.sockets.0.path:'],
    ['[[api.sockets]]\npath = "/x"\nservices = ["api.Other"]', 'api.sockets.0.services.0:'],
    ['[[api.sockets]]\npath = "/x"\nservices = []', 'api.sockets.0.services:'],
    ['[[api.sockets]]\npath = "/x"\n[[api.sockets]]\npath = "/x"', 'api.sockets: expected each path once'],
    ['socket = "/y"\n[[api.sockets]]\npath = "/x"', 'socket: expected one of the paths in api.sockets'],
    ['socket = "127.0.0.1:50000"', 'socket: expected unix://'],
    ['[aa]\naa_socket = "x"', 'aa.aa_socket: expected unix://'],
    ['[api]\nbundle_roots = []', 'api.bundle_roots:'],
    ['[api]\nmax_pulls = 0', 'api.max_pulls:'],
    ['[image]\nwork_dir = "x"', 'image.work_dir: expected an absolute path'],
    ['[image]\nmax_concurrent_layer_downloads_per_image = 0', 'image.max_concurrent_layer_downloads_per_image:'],
    ['[image]\nextra_root_certificates = ["x"]', 'image.extra_root_certificates.0: expected a PEM certificate'],
    ['[image]\nimage_security_policy = {}', 'image.image_security_policy:'],
    ['[image.image_pull_proxy]\nhttps_proxy = "ftp://x"', 'image.image_pull_proxy.https_proxy:'],
    ['[image]\nImage_Security_Policy = "{}"', 'image.Image_Security_Policy: expected image_security_policy'],
    ['[Image]\nimage_security_policy = "{}"', 'Image: expected image'],
    ['[VOLUME]', 'VOLUME: expected volume'],
    ['[volume]\nwait_ms = 1\nwait_ms = 2', 'line 3'],
    ['[image]\nwork_dir = "/a"\n[image]', 'line 3'],
    ['[volume', 'expected TOML'],
  ])('%j is refused with its key', async (toml, key) => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }));
    expect(error.message).toContain('/c.toml');
    expect(error.message).toContain(key);
  });

  it.each([
    ['frobnicate = 1', 'frobnicate'],
    ['[aa]\nx = 1', 'aa.x'],
    ['[kbc]\nname = "cc_kbc"\nx = 1', 'kbc.x'],
    ['[image]\nkbs_uri = "x"', 'image.kbs_uri'],
    ['[image.image_pull_proxy]\nall_proxy = "x"', 'image.image_pull_proxy.all_proxy'],
  ])('%j is a warning, since confidential-data-hub would ignore it', (toml, key) => {
    const { warnings } = resolveSample({ toml });
    expect(warnings).toEqual([`file /c.toml: ${key}: unknown setting, ignored`]);
  });

  it.each([
    ['[pull]\nauthfile = "/a"\n[image]\nauthenticated_registry_credentials_uri = "/a"', 'pull.authfile'],
    ['[pull]\npolicy = "/a"\n[image]\nimage_security_policy_uri = "/a"', 'pull.policy'],
    ['[pull]\npolicy = "/a"\n[image]\nimage_security_policy = "{}"', 'pull.policy'],
    ['[pull]\ninsecure_policy = true\n[image]\nimage_security_policy = "{}"', 'pull.insecure_policy'],
    ['[pull]\ninsecure_policy = true\n[image]\nimage_security_policy_uri = "kbs:///a/b/c"', 'pull.insecure_policy'],
    ['[pull]\nextra_root_certificates = []\n[image]\nextra_root_certificates = []', 'pull.extra_root_certificates'],
    ['[pull.proxy]\n[image.image_pull_proxy]', 'pull.proxy'],
    ['[aa]\naa_socket = "/a"\n[api]\naa_socket = "/a"', 'api.aa_socket'],
    ['[volume]\nmount_point = "/a"\n[image]\nwork_dir = "/b"', 'volume.mount_point'],
    ['[store]\ndata = "/a"\n[image]\nwork_dir = "/b"', 'image.work_dir'],
    ['[store]\nroot = "/a"\n[image]\nwork_dir = "/a"', 'image.work_dir'],
  ])('%j sets one setting twice', async (toml, other) => {
    expect((await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }))).message).toContain(other);
  });

  it.each([
    ['[volume]\nmount_point = "/a/b/"\n[image]\nwork_dir = "/a/./b"', '/a/b', '/run/sealift'],
    ['[store]\nroot = "/a"', '/a/data', '/a/state'],
    ['[store]\nroot = "/a"\ndata = "/d"', '/d', '/a/state'],
    ['[store]\nroot = "/a/"\nstate = "/s"', '/a/data', '/s'],
  ])('%j sets the directories of the store', (toml, data, state) => {
    const { store, volume } = resolveSample({ toml });
    expect([store.data.value, volume.mountPoint.value, store.state.value]).toEqual([data, data, state]);
  });

  it.each([
    '[store]\nstate = "/run/kata-containers/image/state"',
    '[store]\nstate = "/run/kata-containers/image-memory"',
    '[volume]\nmount_point = "/"',
    '[volume]\nmount_point = "/run"',
    '[volume]\nmemory_mount_point = "/run/kata-containers/image/memory"',
    '[volume]\nmemory_mount_point = "/run/kata-containers"',
    '[volume]\nmount_point = "/run/kata-containers/image-memory"',
    '[volume]\nmount_point = "/x/../run"',
    '[volume]\nmount_roots = ["/run/elsewhere", "/run/kata-containers/image/x"]',
    '[volume]\nmount_roots = ["/run/kata-containers"]',
    '[volume]\nmount_roots = ["/run/sealift/volumes/"]',
    '[store]\nstate = "/run/kata-containers/sandbox/storage/state"',
  ])('%j would mount over a directory in use', async (toml) => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }));
    expect(error.message).toContain('expected a directory outside');
  });

  it('names the sockets and their services', () => {
    const { api } = resolveSample({
      toml: '[[api.sockets]]\npath = "/p"\nservices = ["api.ImagePullService"]\n[[api.sockets]]\npath = "/q"',
    });
    expect(api.sockets.value).toEqual([
      { path: '/p', services: ['api.ImagePullService'] },
      { path: '/q', services: API_SERVICES },
    ]);
  });

  it('warns about credentials that are not fetched', () => {
    const toml = '[[credentials]]\nresource_uri = "kbs:///a/b/c"\npath = "/run/confidential-containers/cdh/kbs/x"';
    expect(resolveSample({ toml }).warnings).toEqual([expect.stringContaining('credentials: not fetched')]);
    expect(resolveSample({ toml: 'credentials = []' }).warnings).toEqual([]);
  });

  it('does not quote the file, which may hold secrets', async () => {
    for (const toml of [
      '[image.image_pull_proxy]\nhttps_proxy = "http://u:hunter2@p/path"',
      '[image]\nauthenticated_registry_credentials_uri = "hunter2\n',
      '[image]\nextra_root_certificates = ["hunter2"]',
    ]) {
      const error = await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }));
      expect(JSON.stringify([error.message, error.context, String(error.cause)])).not.toContain('hunter2');
    }
  });
});

describe('settings of the [image] table that cannot be honoured', () => {
  it.each([
    ['sigstore_config_uri = "kbs:///default/sigstore-config/test"', 'image.sigstore_config_uri'],
    ['sigstore_config_uri = "https://x/y"', 'image.sigstore_config_uri'],
    ['sigstore_config_uri = "relative"', 'image.sigstore_config_uri'],
    ['registry_configuration_uri = "kbs:///default/registries/test"', 'image.registry_configuration_uri'],
    ['registry_configuration_uri = "https://x/y"', 'image.registry_configuration_uri'],
    ['image_security_policy_uri = "kbs:///default/security-policy/test"', 'image.image_security_policy_uri'],
    ['image_security_policy_uri = "https://x/y"', 'image.image_security_policy_uri'],
    ['image_security_policy_uri = "relative"', 'image.image_security_policy_uri'],
    ['image_security_policy_uri = "file://host/x"', 'image.image_security_policy_uri'],
    ['image_security_policy_uri = ""', 'image.image_security_policy_uri'],
    ['authenticated_registry_credentials_uri = "kbs:///a/b/c"', 'image.authenticated_registry_credentials_uri'],
    ['authenticated_registry_credentials_uri = "kbs+p:///a/b/c"', 'image.authenticated_registry_credentials_uri'],
  ])('%j refuses pulls by name', async (line, key) => {
    const configuration = resolveSample({ toml: `[image]\n${line}` });
    expect(keysOf(configuration)).toEqual([['CONFIG_UNSUPPORTED', key]]);
    expect([configuration.pull.policy.value, configuration.pull.authfile.value]).toEqual([undefined, undefined]);
    const error = await expectFailure('CONFIG_UNSUPPORTED', () => {
      throw obstacleError(configuration);
    });
    expect(error.message).toContain(key);
    expect(error.kind).toBe('unsupported');
    expect(error.hint).toContain(key);
  });

  it('names all of these settings', () => {
    const toml = '[image]\nimage_security_policy_uri = "x"\nsigstore_config_uri = "y"';
    expect(obstacleError(resolveSample({ toml }))?.message).toMatch(
      /image_security_policy_uri: .* \(and image\.sigstore_config_uri\)$/,
    );
  });

  it('accepts keys that are supported or that confidential-data-hub ignores', () => {
    const toml = `[image]\ndefault_snapshot = "overlay"\nimage_security_policy = "{}"`;
    const configuration = resolveSample({ toml });
    expect([configuration.pullObstacles, configuration.warnings]).toEqual([[], []]);
    expect(obstacleError(configuration)).toBeUndefined();
  });

  it('prefers the URI of a policy to its text, also when it cannot be fetched', () => {
    const both = (uri: string) =>
      resolveSample({ toml: `[image]\nimage_security_policy = "{}"\nimage_security_policy_uri = "${uri}"` });
    const file = both('file:///p');
    expect([file.pull.policy.value, file.inlinePolicy.value]).toEqual(['/p', undefined]);
    expect(file.warnings).toEqual([expect.stringContaining('image_security_policy: ignored')]);
    const broker = both('kbs:///a/b/c');
    expect([broker.pull.policy.value, broker.inlinePolicy.value]).toEqual([undefined, undefined]);
    expect(keysOf(broker)).toEqual([['CONFIG_UNSUPPORTED', 'image.image_security_policy_uri']]);
  });
});

describe('the kernel command line', () => {
  const PROXY = 'agent.https_proxy=http://p:1 agent.http_proxy=p:2 agent.no_proxy=a,b';
  const AUTH = 'agent.image_registry_auth=file:///run/auth.json';
  const POLICY = 'agent.image_policy_file=file:///p agent.enable_signature_verification=true';

  it('sets proxies, unmeasured', () => {
    const { proxy } = resolveSample({ kernel: PROXY }).pull;
    expect(proxy).toEqual({
      https: { value: 'http://p:1', class: 'unmeasured', origin: 'kernel command line agent.https_proxy' },
      http: { value: 'p:2', class: 'unmeasured', origin: 'kernel command line agent.http_proxy' },
      noProxy: { value: 'a,b', class: 'unmeasured', origin: 'kernel command line agent.no_proxy' },
    });
  });

  it.each(['[image]', '[image]\nwork_dir = "/w"'])('is not read beside %j', (toml) => {
    const { pull, pullObstacles, warnings } = resolveSample({ toml, kernel: `${PROXY} ${AUTH} ${POLICY}` });
    expect(pull.proxy.https.value).toBeUndefined();
    expect([pullObstacles, warnings]).toEqual([[], []]);
  });

  it('is read beside a file without [image]', () => {
    const { pull, pullObstacles } = resolveSample({ toml: '[kbc]\nname = "cc_kbc"', kernel: `${PROXY} ${AUTH}` });
    expect(pull.proxy.https.class).toBe('unmeasured');
    expect(pullObstacles).toHaveLength(1);
  });

  it('yields to a measured proxy', () => {
    const toml = '[pull.proxy]\nhttps = "http://mine"';
    expect(resolveSample({ toml, kernel: PROXY }).pull.proxy.https).toMatchObject({
      value: 'http://mine',
      class: 'measured',
    });
  });

  it.each([
    ['credentials in a file', AUTH, 'agent.image_registry_auth'],
    ['credentials of the broker', 'agent.image_registry_auth=kbs:///a/b/c', 'agent.image_registry_auth'],
    ['a policy', POLICY, 'agent.image_policy_file'],
  ])('may not choose %s', async (_, kernel, key) => {
    const configuration = resolveSample({ kernel });
    expect(keysOf(configuration)).toEqual([['CONFIG_CLASS_REFUSED', key]]);
    expect([configuration.pull.policy.value, configuration.pull.authfile.value]).toEqual([undefined, undefined]);
    const error = await expectFailure('CONFIG_CLASS_REFUSED', () => {
      throw obstacleError(configuration);
    });
    expect(error.message).toContain(key);
  });

  it.each([
    'agent.image_policy_file=file:///p',
    'agent.image_policy_file=file:///p agent.enable_signature_verification=false',
    'agent.enable_signature_verification=true',
    `${POLICY} agent.enable_signature_verification=false`,
    `${POLICY} agent.image_policy_file=`,
  ])('%j requires no policy', (kernel) => {
    expect(resolveSample({ kernel }).pullObstacles).toEqual([]);
  });

  it.each<DaemonSample>([
    { environment: { CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS: '/a' } },
    { toml: '[pull]\nauthfile = "/a"' },
  ])('yields to the measured credentials of %j, with a warning', (sample) => {
    const { pull, pullObstacles, warnings } = resolveSample({ ...sample, kernel: AUTH });
    expect(pull.authfile).toMatchObject({ value: '/a', class: 'measured' });
    expect(pullObstacles).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('agent.image_registry_auth: ignored')]);
  });

  it('refuses pulls for a proxy that is none, without quoting it', () => {
    const configuration = resolveSample({ kernel: 'agent.https_proxy=ftp://u:hunter2@p/x' });
    expect(keysOf(configuration)).toEqual([['CONFIG_FILE_INVALID', 'agent.https_proxy']]);
    expect(configuration.pull.proxy.https.value).toBeUndefined();
    expect(JSON.stringify(configuration)).not.toContain('hunter2');
  });
});

describe('the environment of the daemon', () => {
  const NAME = 'CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS';

  it('sets the credentials over every file, measured', () => {
    const toml = '[image]\nauthenticated_registry_credentials_uri = "kbs:///a/b/c"';
    const { pull, pullObstacles } = resolveSample({ toml, environment: { [NAME]: 'file:///e' } });
    expect(pull.authfile).toEqual({ value: '/e', class: 'measured', origin: `environment ${NAME}` });
    expect(pullObstacles).toEqual([]);
  });

  it('refuses pulls when the credentials lie at the key broker, whatever the file says', () => {
    const toml = '[image]\nauthenticated_registry_credentials_uri = "/f"';
    const configuration = resolveSample({ toml, environment: { [NAME]: 'kbs:///a/b/c' } });
    expect(keysOf(configuration)).toEqual([['CONFIG_UNSUPPORTED', NAME]]);
    expect(configuration.pull.authfile.value).toBeUndefined();
  });

  it.each([
    [`quiet ${NAME}=kbs:///x/y/z AA_SOCKET=/host`],
    [`systemd.setenv=${NAME}=/host systemd.setenv="AA_SOCKET=/host"`],
    [`systemd.setenv=${NAME.slice(0, 5)}"${NAME.slice(5)}=/host" "AA_SOCKET"=/host`],
  ])('refuses pulls for a variable that is on the kernel command line as well: %s', (kernel) => {
    const toml = '[image]\nauthenticated_registry_credentials_uri = "/f"\n[aa]\naa_socket = "/file"';
    const environment = { [NAME]: 'kbs:///x/y/z', AA_SOCKET: '/host' };
    const configuration = resolveSample({ toml, environment, kernel });
    expect(keysOf(configuration)).toEqual([
      ['CONFIG_CLASS_REFUSED', NAME],
      ['CONFIG_CLASS_REFUSED', 'AA_SOCKET'],
    ]);
    expect([configuration.pull.authfile.value, configuration.api.aaSocket.value]).toEqual(['/f', '/file']);
    expect(keysOf(resolveSample({ toml, environment: {}, kernel }))).toEqual([]);
  });

  it('ignores an empty variable', () => {
    const { pull, pullObstacles } = resolveSample({ environment: { [NAME]: '', AA_SOCKET: '' } });
    expect([pull.authfile.value, pullObstacles]).toEqual([undefined, []]);
  });

  it('takes proxies, unmeasured, and no common authfile', () => {
    const environment = { HTTPS_PROXY: 'http://p', REGISTRY_AUTH_FILE: '/a', CONTAINERS_REGISTRIES_CONF: '/r' };
    const { pull, warnings } = resolveSample({ environment });
    expect(pull.proxy.https).toEqual({ value: 'http://p', class: 'unmeasured', origin: 'environment HTTPS_PROXY' });
    expect([pull.authfile.value, pull.registriesConf.value]).toEqual([undefined, undefined]);
    expect(warnings).toEqual([
      'environment REGISTRY_AUTH_FILE: ignored; set pull.authfile in the measured configuration instead',
      'environment CONTAINERS_REGISTRIES_CONF: ignored; set pull.registries_conf in the measured configuration instead',
    ]);
  });

  it('refuses pulls for a proxy that is none, without quoting it', () => {
    const configuration = resolveSample({ environment: { HTTPS_PROXY: 'ftp://u:hunter2@p/x' } });
    expect(keysOf(configuration)).toEqual([['CONFIG_FILE_INVALID', 'proxy']]);
    expect(obstacleError(configuration)?.message).toContain('HTTPS_PROXY');
    expect(JSON.stringify(configuration)).not.toContain('hunter2');
  });

  it.each(['SEALIFT_STORE_ROOT', 'SEALIFT_PULL_POLICY', 'SEALIFT_PULL_AUTHFILE'])('may not set %s', async (name) => {
    await expectFailure('CONFIG_CLASS_REFUSED', () => resolveSample({ environment: { [name]: '/x' } }));
  });

  it('names the socket of the attestation agent over the file', async () => {
    const toml = '[aa]\naa_socket = "/file"';
    const { api } = resolveSample({ toml, environment: { AA_SOCKET: 'unix:///e' } });
    expect(api.aaSocket).toEqual({ value: '/e', class: 'measured', origin: 'environment AA_SOCKET' });
    await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ environment: { AA_SOCKET: '1.2.3.4:5' } }));
  });
});
