import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAEMON_DEFAULTS } from '../../../src/config/daemon/defaults.ts';
import type { DaemonInputs } from '../../../src/config/daemon/load-daemon-configuration.ts';
import { daemonJsonSchema } from '../../../src/config/daemon/schema.ts';
import {
  guessSockets,
  loadDaemonConfiguration,
  loadNamedFile,
  resolveDaemonConfiguration,
} from '../../../src/config/index.ts';
import { LIMITS } from '../../../src/limits/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { EXTENSION_ROOT, loadKataManifest } from '../../support/oracles/kata-manifest.ts';

let scratch: Scratch;
let inputs: DaemonInputs;

function file(name: string, text: string): string {
  writeFileSync(scratch.join(name), text);
  return scratch.join(name);
}

beforeEach(() => {
  scratch = new Scratch('daemon-config');
  inputs = { file: undefined, environment: {}, kernelCommandLine: '', imagepullerFile: scratch.join('none.toml') };
});

afterEach(() => scratch[Symbol.dispose]());

describe('loadDaemonConfiguration', () => {
  it('reads both files', () => {
    const configuration = loadDaemonConfiguration({
      ...inputs,
      file: file('cdh.toml', '[image]\nauthenticated_registry_credentials_uri = "/a"'),
      imagepullerFile: file('imagepuller.toml', '[registries."ghcr.io"]\nusername = "u"'),
    });
    expect(configuration.pull.authfile.origin).toBe(`file ${scratch.join('cdh.toml')}`);
    expect([...configuration.registryOverrides.keys()]).toEqual(['ghcr.io']);
  });

  it('starts without any file', () => {
    const { registryOverrides, pullObstacles } = loadDaemonConfiguration(inputs);
    expect([registryOverrides.size, pullObstacles]).toEqual([0, []]);
  });

  it.each([
    ['an unknown setting', '[store]\nunknown = 1\n'],
    ['no TOML', '[store\n'],
    ['two values for one directory', '[volume]\nmount_point = "/a"\n[store]\ndata = "/b"\n'],
    ['a policy twice', '[pull]\npolicy = "/p"\ninsecure_policy = true\n'],
    ['a directory in another', '[volume]\nmount_point = "/a"\n[store]\nstate = "/a/b"\n'],
    ['a socket twice', '[api]\nsockets = [{ path = "/s" }, { path = "/s" }]\n'],
  ])('sends the owner of a file with %s to the example of the daemon', async (_, text) => {
    const load = () => loadDaemonConfiguration({ ...inputs, file: file('cdh.toml', text) });
    const { hint } = await expectFailure('CONFIG_FILE_INVALID', load);
    expect(hint).toBe('compare with config/sealiftd.toml');
  });

  it('sends the owner of a file that cannot be read to its path, and not to an example', async () => {
    const path = scratch.join('absent.toml');
    const signal = new AbortController().signal;
    const hint = 'check the path given with -c';
    const byDaemon = () => loadDaemonConfiguration({ ...inputs, file: path });
    expect(await expectFailure('CONFIG_FILE_INVALID', byDaemon)).toMatchObject({ hint });
    expect(await expectFailure('CONFIG_FILE_INVALID', () => loadNamedFile(path, signal))).toMatchObject({ hint });
    const imagepuller = { ...inputs, imagepullerFile: scratch.path };
    const error = await expectFailure('CONFIG_FILE_INVALID', () => loadDaemonConfiguration(imagepuller));
    expect(error.hint).toBe('replace it by a regular file that can be read, or remove it');
  });

  it('refuses a file given with -c that is absent or too large', async () => {
    const load = (path: string) => () => loadDaemonConfiguration({ ...inputs, file: path });
    await expectFailure('CONFIG_FILE_INVALID', load(scratch.join('absent.toml')));
    const large = file('large.toml', '#'.repeat(LIMITS.maxConfigurationBytes.default + 1));
    await expectFailure('CONFIG_FILE_INVALID', load(large));
  });
});

/** The sockets of a daemon that starts: those that it opens first, and those of its configuration. */
describe('guessSockets', () => {
  const DEFAULT = DAEMON_DEFAULTS['api.sockets'].map(({ path }) => path);
  const configured = (path: DaemonInputs['file']) =>
    loadDaemonConfiguration({ ...inputs, file: path }).api.sockets.value.map((socket) => socket.path);

  it.each([
    ['nothing', 'c.toml', '', DEFAULT],
    ['other tables', 'c.toml', '[image]\nwork_dir = "/w"\n[api]\nmax_pulls = 2\n', DEFAULT],
    ['socket', 'c.toml', 'socket = "unix:///run/a.sock"\n', ['/run/a.sock']],
    ['socket without a scheme', 'c.toml', 'socket = "/run/a.sock"\n', ['/run/a.sock']],
    ['JSON', 'c.json', '{"socket":"unix:///run/a.sock"}', ['/run/a.sock']],
    ['JSON without an ending', 'c', '{"api":{"sockets":[{"path":"/b"}]}}', ['/b']],
    [
      'several sockets',
      'c.toml',
      'socket = "/b"\n[api]\nsockets = [{ path = "/a", services = ["api.ImagePullService"] }, { path = "/b" }]\n',
      ['/a', '/b'],
    ],
  ])('knows those of a file with %s, as the configuration does', (_, name, text, expected) => {
    const path = file(name, text);
    expect(guessSockets(path)).toEqual({ file: { path, text }, paths: expected });
    expect([configured(path), configured(guessSockets(path).file)]).toEqual([expected, expected]);
  });

  it('knows those of a daemon without a file', () => {
    expect(guessSockets(undefined)).toEqual({ file: undefined, paths: DEFAULT });
    expect(configured(undefined)).toEqual(DEFAULT);
  });

  it.each([
    ['no TOML', 'socket = "/a"\n[api\n'],
    ['a socket that is no text', 'socket = 1\n'],
    ['a relative path', 'socket = "a.sock"\n'],
    ['another scheme', 'socket = "vsock:///a"\n'],
    ['a NUL in a path', 'socket = "/a\\u0000"\n'],
    ['a table that is none', 'api = "/a"\n'],
    ['a list of tables for one', '[[api]]\nmax_pulls = 1\n'],
    ['no list', '[api]\nsockets = { path = "/a" }\n'],
    ['an empty list', '[api]\nsockets = []\n'],
    ['a text in the list', '[api]\nsockets = [{ path = "/a" }, "/b"]\n'],
    ['a path that is a number', '[api]\nsockets = [{ path = 1 }]\n'],
    ['a path with a scheme in the list', '[api]\nsockets = [{ path = "unix:///a" }]\n'],
    ['a path twice', '[api]\nsockets = [{ path = "/a" }, { path = "/a" }]\n'],
    ['a socket that is not in the list', 'socket = "/b"\n[api]\nsockets = [{ path = "/a" }]\n'],
  ])('does not guess for a file with %s, which is refused', async (_, text) => {
    const path = file('c.toml', text);
    expect(guessSockets(path)).toEqual({ file: { path, text }, paths: undefined });
    await expectFailure('CONFIG_FILE_INVALID', () => configured(path));
  });

  it('does not guess for a file that cannot be read, is too large or is no regular file', () => {
    const large = file('large.toml', `socket = "/a"\n#${'#'.repeat(LIMITS.maxConfigurationBytes.default)}`);
    for (const path of [scratch.join('absent.toml'), scratch.path, large]) {
      expect(guessSockets(path)).toEqual({ file: path, paths: undefined });
    }
  });
});

describe('the files in config/', () => {
  const shipped = (name: string) => readFileSync(new URL(`../../../config/${name}`, import.meta.url), 'utf8');
  const resolve = (text: string | undefined) =>
    resolveDaemonConfiguration({
      file: text === undefined ? undefined : { path: 'sealiftd.toml', text },
      environment: {},
      kernelCommandLine: '',
      imagepuller: undefined,
    });
  const withoutOrigins = (value: unknown) =>
    JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'origin' ? undefined : inner)));

  it('sealiftd.toml loads, and says what the defaults are', () => {
    expect(withoutOrigins(resolve(shipped('sealiftd.toml')))).toEqual(withoutOrigins(resolve(undefined)));
  });

  it('sealiftd.toml mentions every setting of the schema, but for the limits and what only a hub acts on', () => {
    const lines = shipped('sealiftd.toml');
    const elsewhere = ['credentials', 'skip_sealed_secret_verification', 'limits', 'root', 'data'];
    const notBuilt = ['default_snapshot'];
    const skipped = [...elsewhere, ...notBuilt];
    interface Schema {
      readonly properties?: Readonly<Record<string, Schema>>;
    }
    const keysOf = ({ properties = {} }: Schema): string[] =>
      Object.entries(properties).flatMap(([key, inner]) => {
        if (skipped.includes(key)) return [];
        return inner.properties === undefined ? [key] : [key, ...keysOf(inner)];
      });
    const keys = keysOf(daemonJsonSchema() as Schema);
    expect(keys.length).toBeGreaterThan(35);
    for (const key of keys) expect(lines).toMatch(new RegExp(`^(?:# )?(?:${key} = |\\[+(?:[a-z]+\\.)?${key}\\])`, 'm'));
  });

  it('sealiftd.toml shows values that load where they are commented out', () => {
    const [own = '', hub = ''] = shipped('sealiftd.toml').split('# From here on:');
    const uncomment = (text: string) => resolve(text.replace(/^# (?=\[|[a-z_]+ = )/gm, ''));
    const { pull, api } = uncomment(own);
    expect(pull.policy.value).toBe('/etc/sealift/policy.json');
    expect(pull.proxy.https.value).toBe('http://proxy.example:3128');
    expect(api.passthroughSocket.value).toBe('/run/confidential-containers/hub.sock');
    const fromHub = uncomment(`# ${hub}`);
    expect(fromHub.maxLayerDownloads.value).toBe(3);
    expect(fromHub.pull.policy.value).toBe('/etc/sealift/policy.json');
    expect(fromHub.pull.proxy.noProxy.value).toBe('registry.internal,10.0.0.0/8');
    expect(fromHub.pullObstacles).toEqual([]);
  });

  it('schema/sealiftd.schema.json is the schema (scripts/generate-schema.ts writes it)', () => {
    expect(JSON.parse(shipped('schema/sealiftd.schema.json'))).toEqual(JSON.parse(JSON.stringify(daemonJsonSchema())));
  });

  describe('kata/components.toml', () => {
    const text = shipped('kata/components.toml');
    const variable = (name: string) => `$\{${name}}`;

    it('loads in the kata agent, which waits for the socket of the process that it starts', () => {
      expect(loadKataManifest(text)).toEqual({
        paths: {
          'ocicrypt-config': `${EXTENSION_ROOT}/etc/ocicrypt_config.json`,
          'pause-bundle': `${EXTENSION_ROOT}/pause_bundle`,
        },
        processes: [
          {
            id: 'confidential-data-hub',
            path: `${EXTENSION_ROOT}/usr/bin/sealiftd`,
            args: [],
            config: '/run/confidential-containers/initdata/cdh.toml',
            env: { PATH: expect.stringMatching(/^\/run\/kata-extensions\/coco\/usr\/sbin:.*:\/usr\/sbin:/) },
            waitSocket: DAEMON_DEFAULTS['api.sockets'][0]?.path,
            timeoutSecs: 6,
          },
        ],
      });
    });

    // What the agent's loader requires, so that the test above can fail.
    it.each([
      ['schema_version = 1', '', 'schema_version'],
      ['ocicrypt-config =', 'ocicrypt =', "component 'ocicrypt-config' not found"],
      ['pause-bundle =', 'pause =', "component 'pause-bundle' not found"],
      [variable('cdh_socket'), variable('cdh_sock'), "unknown substitution variable 'cdh_sock'"],
      ['"usr/bin/sealiftd"', '"/usr/bin/sealiftd"', "invalid path '/usr/bin/sealiftd'"],
      [`"${variable('launch_process_timeout')}"`, '6', 'timeout_secs: expected a text'],
      [`"${variable('launch_process_timeout')}"`, '"6 s"', "invalid timeout_secs '6 s'"],
      ['wait_socket =', 'waits_for =', 'unknown keys waits_for'],
    ])('would not load with %j replaced by %j', (words, others, message) => {
      expect(text).toContain(words);
      expect(() => loadKataManifest(text.replace(words, others))).toThrow(message);
    });

    it('would not be waited for without timeout_secs', () => {
      const without = text.replace(/^timeout_secs = .*$/m, '');
      expect(loadKataManifest(without).processes).toMatchObject([{ timeoutSecs: 0 }]);
    });
  });
});
