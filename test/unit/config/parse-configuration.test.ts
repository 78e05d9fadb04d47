import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../../src/config/parse-configuration.ts';
import { expectFailure } from '../../support/matchers.ts';

const VALID = `
[store]
root = "/r"
data = "/d"
state = "/s"
min_free_bytes = 0
[pull]
policy = "/p"
authfile = "/a"
tls_verify = false
extra_root_certificates = ["""
-----BEGIN CERTIFICATE-----
AA
-----END CERTIFICATE-----
"""]
platform = "linux/amd64"
[pull.limits]
max_layer_bytes = 5
[log]
level = "debug"
`;

const SETTINGS = {
  'store.root': '/r',
  'store.data': '/d',
  'store.state': '/s',
  'store.min_free_bytes': 0,
  'pull.policy': '/p',
  'pull.authfile': '/a',
  'pull.tls_verify': false,
  'pull.extra_root_certificates': ['-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n'],
  'pull.platform': 'linux/amd64',
  'pull.limits.maxLayerBytes': 5,
  'log.level': 'debug',
};

describe('parseConfiguration', () => {
  it('reads TOML', () => {
    expect(parseConfiguration(VALID, '/c.toml')).toEqual(SETTINGS);
  });

  it('reads an empty file', () => {
    expect(parseConfiguration('', '/c.toml')).toEqual({});
  });

  it.each(['/c.json', '/c', '/c.conf'])('reads JSON in %s', (path) => {
    const text = ' {"pull":{"limits":{"max_layer_bytes":5}},"log":{"level":"warn"}}';
    expect(parseConfiguration(text, path)).toEqual({ 'pull.limits.maxLayerBytes': 5, 'log.level': 'warn' });
  });

  it.each([
    ['[stroe]', 'stroe: unknown setting'],
    ['[store]\nrooot = "/r"', 'store.rooot: unknown setting'],
    ['[pull.limits]\nmax_layer_byte = 1', 'pull.limits.max_layer_byte: unknown setting'],
    ['[pull.limits]\nmaxLayerBytes = 1', 'pull.limits.maxLayerBytes: unknown setting'],
    ['[__proto__]\nx = 1', '__proto__'],
    ['[store]\n__proto__ = "/r"', '__proto__'],
    ['[store]\nroot = "relative"', 'store.root: expected an absolute path'],
    ['[store]\nroot = 1', 'store.root:'],
    ['[store]\nmin_free_bytes = -1', 'store.min_free_bytes:'],
    ['[pull]\ntls_verify = "false"', 'pull.tls_verify:'],
    ['[pull]\ntls_verify = 0', 'pull.tls_verify:'],
    ['[pull]\nextra_root_certificates = "x"', 'pull.extra_root_certificates:'],
    ['[pull]\nextra_root_certificates = ["x"]', 'pull.extra_root_certificates.0: expected a PEM certificate'],
    ['[pull]\nplatform = ""', 'pull.platform:'],
    ['[pull.limits]\nmax_layers = 0', 'pull.limits.max_layers:'],
    ['[pull.limits]\nmax_layers = 1.5', 'pull.limits.max_layers:'],
    ['[pull.limits]\ndocument_timeout_ms = 2147483648', 'pull.limits.document_timeout_ms:'],
    ['[log]\nlevel = "loud"', 'log.level:'],
    ['store = 1', 'store:'],
    ['[store]\nroot = "/a"\nroot = "/b"', 'line 3'],
    ['[store]\n[store]', 'line 2'],
    ['[store', 'expected TOML'],
  ])('refuses %j and names the key', async (text, key) => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () => parseConfiguration(text, '/c.toml'));
    expect(error.message).toContain('/c.toml');
    expect(error.message).toContain(key);
  });

  it.each(['{"log":{"level":"warn","level":"info"}}', '{"log":{"level":"warn"}} x', '[]', 'null', ''])(
    'refuses the JSON %j',
    async (text) => {
      await expectFailure('CONFIG_FILE_INVALID', () => parseConfiguration(text, '/c.json'));
    },
  );

  it('does not quote the file, which may hold secrets', async () => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () =>
      parseConfiguration('[pull]\nauthfile = "hunter2\n', '/c.toml'),
    );
    expect(error.message).not.toContain('hunter2');
    expect(error.cause).toBeUndefined();
  });
});
