import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findAuthfiles, loadConfiguration } from '../../../src/config/index.ts';
import type { ConfigurationInputs } from '../../../src/config/load-configuration.ts';
import { loadTextFile } from '../../../src/config/load-text-file.ts';
import { parseConfiguration } from '../../../src/config/parse-configuration.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { configurationJsonSchema } from '../../../src/config/schema.ts';
import { environmentName, SETTINGS } from '../../../src/config/settings.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

/** A program in Perl that leaves a socket at the path of its argument. */
const BIND = 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die $!';

let scratch: Scratch;
let inputs: ConfigurationInputs;

function file(name: string, text: string | Uint8Array): string {
  writeFileSync(scratch.join(name), text);
  return scratch.join(name);
}

beforeEach(() => {
  scratch = new Scratch('config');
  inputs = { program: 'cli', flags: {}, environment: {}, file: undefined, defaultFile: scratch.join('none.toml') };
});

afterEach(() => scratch[Symbol.dispose]());

describe('loadConfiguration', () => {
  it('takes a flag over the environment over -c over the default file over defaults', () => {
    const defaultFile = file('default.toml', '[log]\nlevel = "trace"\n[store]\nstate = "/from-default-file"');
    const named = file('named.toml', '[log]\nlevel = "debug"\n[store]\ndata = "/from-named"\nstate = "/from-named"');
    const environment = { SEALIFT_LOG_LEVEL: 'warn', SEALIFT_STORE_DATA: '/from-environment' };
    const all = { ...inputs, defaultFile, file: named, environment, flags: { 'log.level': 'error' } as const };
    const level = (change: Partial<ConfigurationInputs>) => loadConfiguration({ ...all, ...change }).log.level;
    expect(level({})).toEqual({ value: 'error', class: 'measured', origin: 'flag --debug' });
    expect(level({ flags: {} })).toEqual({ value: 'warn', class: 'measured', origin: 'environment SEALIFT_LOG_LEVEL' });
    expect(level({ flags: {}, environment: {} }).origin).toBe(`file ${named}`);
    expect(level({ flags: {}, environment: {}, file: undefined }).origin).toBe(`file ${defaultFile}`);
    expect(loadConfiguration(inputs).log.level.origin).toBe('default');
    const { store } = loadConfiguration(all);
    expect([store.data.value, store.state.value]).toEqual(['/from-environment', '/from-named']);
  });

  it('takes the authfile from the flag, its own variable, then REGISTRY_AUTH_FILE, then the file', () => {
    const named = file('named.toml', '[pull]\nauthfile = "/file"');
    const environment = { SEALIFT_PULL_AUTHFILE: '/own', REGISTRY_AUTH_FILE: '/common' };
    const authfile = (change: Partial<ConfigurationInputs>) =>
      loadConfiguration({ ...inputs, file: named, environment, ...change }).pull.authfile.value;
    expect(authfile({ flags: { 'pull.authfile': '/flag' } })).toBe('/flag');
    expect(authfile({})).toBe('/own');
    expect(authfile({ environment: { REGISTRY_AUTH_FILE: '/common' } })).toBe('/common');
    expect(authfile({ environment: { REGISTRY_AUTH_FILE: '' } })).toBe('/file');
  });

  it('takes registries.conf from the flag, its own variable, then CONTAINERS_REGISTRIES_CONF, then the file', () => {
    const named = file('named.toml', '[pull]\nregistries_conf = "/file"\nregistries_conf_d = "/d"\ncerts_d = "/c"');
    const environment = { SEALIFT_PULL_REGISTRIES_CONF: '/own', CONTAINERS_REGISTRIES_CONF: 'common' };
    const pullOf = (change: Partial<ConfigurationInputs>) =>
      loadConfiguration({ ...inputs, file: named, environment, ...change }).pull;
    const flags = { 'pull.registries_conf': '/flag' };
    expect(pullOf({ flags }).registriesConf).toMatchObject({ value: '/flag', origin: 'flag --registries-conf' });
    expect(pullOf({}).registriesConf.value).toBe('/own');
    const common = { CONTAINERS_REGISTRIES_CONF: 'common' };
    expect(pullOf({ environment: common }).registriesConf.value).toBe('common');
    expect(pullOf({ environment: { CONTAINERS_REGISTRIES_CONF: '' } }).registriesConf.value).toBe('/file');
    expect([pullOf({}).registriesConfD.value, pullOf({}).certsD.value]).toEqual(['/d', '/c']);
  });

  describe('takes proxies', () => {
    const proxyOf = (environment: Readonly<Record<string, string>>, change: Partial<ConfigurationInputs> = {}) =>
      loadConfiguration({ ...inputs, environment, ...change }).pull.proxy;
    const upper = { HTTPS_PROXY: 'http://s:1', HTTP_PROXY: 'http://p:2', NO_PROXY: 'a,b' };
    const lower = { https_proxy: 'http://t:1', http_proxy: 'http://q:2', no_proxy: 'c' };
    const path = () => file('p.toml', '[pull.proxy]\nhttps = "https://u:pw@f:3"\nhttp = "f"\nno_proxy = "d"');
    const valuesOf = ({ https, http, noProxy }: ReturnType<typeof proxyOf>) => [https.value, http.value, noProxy.value];

    it('from the variables that all tools know, in either case, and from a file', () => {
      expect(valuesOf(proxyOf({ ...upper, ...lower }))).toEqual(['http://s:1', 'http://p:2', 'a,b']);
      expect(valuesOf(proxyOf(lower))).toEqual(['http://t:1', 'http://q:2', 'c']);
      expect(valuesOf(proxyOf({}, { file: path() }))).toEqual(['https://u:pw@f:3', 'f', 'd']);
      expect(valuesOf(proxyOf({}))).toEqual([undefined, undefined, undefined]);
    });

    it('from its own variables, then the common ones, then the file, each on its own', () => {
      const environment = { SEALIFT_PULL_PROXY_HTTPS: 'own', HTTPS_PROXY: 'common', NO_PROXY: '', no_proxy: 'e' };
      expect(proxyOf(environment, { file: path() })).toEqual({
        https: { value: 'own', class: 'measured', origin: 'environment SEALIFT_PULL_PROXY_HTTPS' },
        http: { value: 'f', class: 'measured', origin: `file ${scratch.join('p.toml')}` },
        noProxy: { value: 'e', class: 'measured', origin: 'environment no_proxy' },
      });
    });

    it('from ALL_PROXY where there is none for a scheme', () => {
      const all = { ALL_PROXY: 'socks5://a:1', all_proxy: 'b:2' };
      const { https, http, noProxy } = proxyOf({ ...all, https_proxy: 'c:3' });
      expect(https).toMatchObject({ value: 'c:3', origin: 'environment https_proxy' });
      expect(http).toEqual({ value: 'socks5://a:1', class: 'measured', origin: 'environment ALL_PROXY' });
      expect(noProxy.value).toBeUndefined();
      expect(proxyOf({ all_proxy: 'b:2', ALL_PROXY: '' }).http.value).toBe('b:2');
      expect(proxyOf({ ...all, HTTP_PROXY: 'forged', REQUEST_METHOD: 'GET' }).http.value).toBe('socks5://a:1');
    });

    it('but not from HTTP_PROXY in a CGI, where a client writes it', () => {
      expect(proxyOf({ ...upper, REQUEST_METHOD: 'GET' }).http.value).toBeUndefined();
      expect(proxyOf({ ...upper, ...lower, REQUEST_METHOD: 'GET' }).http.value).toBe('http://q:2');
    });

    it('for the daemon as unmeasured, and not from the common variables', () => {
      const daemon = { program: 'daemon' } as const;
      expect(valuesOf(proxyOf({ ...upper, ...lower }, daemon))).toEqual([undefined, undefined, undefined]);
      const { https } = proxyOf({ SEALIFT_PULL_PROXY_HTTPS: 'http://host' }, daemon);
      expect(https).toMatchObject({ value: 'http://host', class: 'unmeasured' });
    });

    it.each([
      { HTTPS_PROXY: 'gopher://u:s3cret@p:1080' },
      { http_proxy: 'http://u:s3cret@p:1080/path' },
      { SEALIFT_PULL_PROXY_HTTP: 'ftp://u:s3cret@p' },
    ])('refusing %o by the name of the variable, without its credentials', async (environment) => {
      const error = await expectFailure('CONFIG_FILE_INVALID', () => proxyOf(environment));
      expect(error.message).toContain(`environment ${Object.keys(environment)[0]}`);
      expect(JSON.stringify(error) + error.message).not.toContain('s3cret');
    });
  });

  it('reads every setting of the environment that may stand there', () => {
    const environment = {
      SEALIFT_STORE_ROOT: '/r',
      SEALIFT_STORE_MIN_FREE_BYTES: '12',
      SEALIFT_PULL_TLS_VERIFY: 'false',
      SEALIFT_PULL_PLATFORM: 'linux/arm64',
      SEALIFT_PULL_EXTRA_ROOT_CERTIFICATES: '-----BEGIN CERTIFICATE-----',
      SEALIFT_PULL_LIMITS_MAX_LAYERS: '3',
      SEALIFT_SERVICE_HOST: 'a variable that Kubernetes makes',
    };
    const { store, pull } = loadConfiguration({ ...inputs, environment });
    expect(store.data.value).toBe('/r/data');
    expect(store.minFreeBytes.value).toBe(12);
    expect(pull.tlsVerify.value).toBe(false);
    expect(pull.platform.value).toBe('linux/arm64');
    expect(pull.extraRootCertificates.value).toEqual(['-----BEGIN CERTIFICATE-----']);
    expect(pull.limits.maxLayers).toEqual({
      value: 3,
      class: 'measured',
      origin: 'environment SEALIFT_PULL_LIMITS_MAX_LAYERS',
    });
  });

  it.each([
    ['SEALIFT_PULL_TLS_VERIFY', 'no'],
    ['SEALIFT_LOG_LEVEL', 'loud'],
    ['SEALIFT_STORE_ROOT', 'relative'],
    ['SEALIFT_PULL_LIMITS_MAX_LAYERS', '1e3'],
    ['SEALIFT_PULL_LIMITS_MAX_LAYERS', '0'],
  ])('refuses %s=%s and names the variable', async (name, text) => {
    const load = () => loadConfiguration({ ...inputs, environment: { [name]: text } });
    expect((await expectFailure('CONFIG_FILE_INVALID', load)).message).toContain(name);
  });

  it('takes a policy from a file named with -c, and refuses one that it finds by itself', async () => {
    const path = file('p.toml', '[pull]\npolicy = "/p.json"');
    expect(loadConfiguration({ ...inputs, file: path }).pull.policy.value).toBe('/p.json');
    await expectFailure('CONFIG_CLASS_REFUSED', () => loadConfiguration({ ...inputs, defaultFile: path }));
    const insecure = file('i.toml', '[pull]\ninsecure_policy = true');
    await expectFailure('CONFIG_CLASS_REFUSED', () => loadConfiguration({ ...inputs, defaultFile: insecure }));
  });

  it.each([
    ['SEALIFT_PULL_POLICY', '/p.json'],
    ['SEALIFT_PULL_INSECURE_POLICY', '1'],
  ])('refuses %s rather than ignore it', async (name, text) => {
    await expectFailure('CONFIG_CLASS_REFUSED', () => loadConfiguration({ ...inputs, environment: { [name]: text } }));
  });

  it('for the daemon, takes the environment as unmeasured and no file by itself', async () => {
    const daemon = { ...inputs, program: 'daemon', defaultFile: file('d.toml', '[log]\nlevel = "trace"') } as const;
    expect(loadConfiguration(daemon).log.level.value).toBe('info');
    const { pull } = loadConfiguration({ ...daemon, environment: { SEALIFT_PULL_TLS_VERIFY: 'false' } });
    expect(pull.tlsVerify).toMatchObject({ value: false, class: 'unmeasured' });
    for (const environment of [{ SEALIFT_STORE_DATA: '/host' }, { SEALIFT_PULL_AUTHFILE: '/host' }]) {
      await expectFailure('CONFIG_CLASS_REFUSED', () => loadConfiguration({ ...daemon, environment }));
    }
    const ignored = loadConfiguration({ ...daemon, environment: { REGISTRY_AUTH_FILE: '/host' } });
    expect(ignored.pull.authfile.value).toBeUndefined();
  });

  it('refuses a file given with -c that is absent, and one that is a directory', async () => {
    for (const path of [scratch.join('absent.toml'), scratch.path]) {
      const error = await expectFailure('CONFIG_FILE_INVALID', () => loadConfiguration({ ...inputs, file: path }));
      expect(error.message).toContain(path);
    }
  });
});

describe('loadTextFile', () => {
  const load = (path: string, maxBytes = 10) =>
    loadTextFile({ path, what: 'policy', maxBytes, code: 'POLICY_INVALID' });

  it('reads a file of exactly the limit and refuses one byte more', async () => {
    expect(load(file('a', '0123456789'))).toBe('0123456789');
    await expectFailure('POLICY_INVALID', () => load(file('b', '0123456789x')));
  });

  it('refuses bytes that are not UTF-8', async () => {
    await expectFailure('POLICY_INVALID', () => load(file('c', Buffer.from([0xff]))));
  });

  it('answers undefined for an optional file that is absent, and refuses a required one', async () => {
    const absent = { path: scratch.join('no'), what: 'x', maxBytes: 1, code: 'POLICY_INVALID' } as const;
    expect(loadTextFile({ ...absent, optional: true })).toBeUndefined();
    await expectFailure('POLICY_INVALID', () => loadTextFile(absent));
  });

  it.each([
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
    ['a directory', (path: string) => mkdirSync(path)],
    ['a socket', (path: string) => execFileSync('perl', ['-MIO::Socket::UNIX', '-e', BIND, path])],
    ['a device', (path: string) => symlinkSync('/dev/zero', path)],
  ])('refuses %s without waiting for anything', (what, make) => {
    const path = scratch.join('special');
    make(path);
    // In another process: a read that waits would hold up this one.
    for (const optional of [false, true]) {
      const file = JSON.stringify({ path, what: 'x', maxBytes: 99, code: 'POLICY_INVALID', optional });
      const script = `import('./src/config/load-text-file.ts').then((room) => room.loadTextFile(${file}))
        .catch(({ code, message }) => process.stdout.write(JSON.stringify([code, message])))`;
      const cwd = new URL('../../..', import.meta.url).pathname;
      const output = execFileSync(process.execPath, ['-e', script], { cwd, stdio: 'pipe', timeout: 20_000 });
      const message = `load x ${path}: expected a regular file, got ${what}`;
      expect(JSON.parse(output.toString())).toEqual(['POLICY_INVALID', message]);
    }
  });

  it('reads an optional file that is linked to /dev/null as an empty one', async () => {
    const file = { path: '/dev/null', what: 'x', maxBytes: 1, code: 'POLICY_INVALID' } as const;
    expect(loadTextFile({ ...file, optional: true })).toBe('');
    await expectFailure('POLICY_INVALID', () => loadTextFile(file));
  });
});

describe('findAuthfiles', () => {
  it('answers the files that exist, in the order of the tools', () => {
    mkdirSync(scratch.join('.docker'));
    mkdirSync(scratch.join('.config/containers'), { recursive: true });
    const docker = file('.docker/config.json', '{}');
    const environment = { HOME: scratch.path, XDG_RUNTIME_DIR: scratch.join('run') };
    expect(findAuthfiles(environment, 0)).toEqual([docker]);
    const podman = file('.config/containers/auth.json', '{}');
    expect(findAuthfiles(environment, 0)).toEqual([podman, docker]);
  });
});

describe('the files in config/', () => {
  const shipped = (name: string) => readFileSync(new URL(`../../../config/${name}`, import.meta.url), 'utf8');

  it('sealift.toml loads, and says what the defaults are', () => {
    const values = parseConfiguration(shipped('sealift.toml'), 'sealift.toml');
    const source = { class: 'measured', named: true, originOf: () => 'default', values } as const;
    expect(resolveConfiguration([source])).toEqual(resolveConfiguration([]));
  });

  it('sealift.toml mentions every setting', () => {
    const text = shipped('sealift.toml');
    const names = [...SETTINGS.keys()].map((setting) => environmentName(setting).split('_'));
    const keys = [...text.matchAll(/^(?:# )?([a-z_]+) = /gm)].map(([, key]) => key);
    expect(keys.length).toBe(names.length);
    for (const setting of SETTINGS.keys()) {
      const key = environmentName(setting)
        .replace(/^SEALIFT_(STORE|PULL_LIMITS|PULL_PROXY|PULL|LOG)_/, '')
        .toLowerCase();
      expect(keys).toContain(key);
    }
  });

  it('schema/sealift.schema.json is the schema (scripts/generate-schema.ts writes it)', () => {
    expect(JSON.parse(shipped('schema/sealift.schema.json'))).toEqual(configurationJsonSchema());
  });
});
