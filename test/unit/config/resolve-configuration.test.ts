import { describe, expect, it } from 'vitest';
import {
  assertCredentialsAllowed,
  assertTransportAllowed,
  type ConfigurationClass,
  type SettingValues,
} from '../../../src/config/index.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { DEFAULTS, SETTINGS } from '../../../src/config/settings.ts';
import type { ConfigurationSource, SettingName } from '../../../src/config/types.ts';
import { expectFailure } from '../../support/matchers.ts';

function source(
  values: SettingValues,
  rest: { class?: ConfigurationClass; named?: boolean; origin?: string } = {},
): ConfigurationSource {
  const { origin = 'a test' } = rest;
  return { class: rest.class ?? 'measured', named: rest.named ?? false, originOf: () => origin, values };
}

/** A value for each setting that differs from its default. */
const SAMPLES: Required<Omit<SettingValues, `pull.limits.${string}`>> = {
  'store.root': '/r',
  'store.data': '/d',
  'store.state': '/s',
  'store.layer_format': 'erofs',
  'store.verity': 'always',
  'store.min_free_bytes': 1,
  'pull.policy': '/p',
  'pull.insecure_policy': true,
  'pull.authfile': '/a',
  'pull.tls_verify': false,
  'pull.extra_root_certificates': ['pem'],
  'pull.registries_conf': '/registries.conf',
  'pull.registries_conf_d': '/registries.conf.d',
  'pull.registries_d': '/registries.d',
  'pull.certs_d': '/certs.d',
  'pull.platform': 'linux/arm64',
  'pull.foreign_layer_urls': true,
  'pull.inflate': 'zlib',
  'pull.not_before': '2027-01-01',
  'pull.proxy.https': 'http://proxy',
  'pull.proxy.http': 'http://proxy',
  'pull.proxy.no_proxy': 'internal.example',
  'log.level': 'debug',
};

function sample(setting: SettingName): SettingValues {
  const value = setting.startsWith('pull.limits.') ? 7 : SAMPLES[setting as keyof typeof SAMPLES];
  return { [setting]: value };
}

const ALLOWED = { accepted: undefined, refused: 'CONFIG_CLASS_REFUSED' } as const;

/** DESIGN table: policy, limits and what steers a pull are measured; transport only helps bytes arrive. */
const PROXY = ['pull.proxy.https', 'pull.proxy.http', 'pull.proxy.no_proxy'];
const TRANSPORT = ['pull.tls_verify', 'pull.extra_root_certificates', ...PROXY];
const POLICY = ['pull.policy', 'pull.insecure_policy'];

describe('every setting has its class', () => {
  const rows = [...SETTINGS.keys()].flatMap((setting) => [
    { setting, class: 'measured', named: true, expected: 'accepted' } as const,
    { setting, class: 'measured', named: false, expected: POLICY.includes(setting) ? 'refused' : 'accepted' } as const,
    {
      setting,
      class: 'unmeasured',
      named: false,
      expected: TRANSPORT.includes(setting) ? 'accepted' : 'refused',
    } as const,
    {
      setting,
      class: 'unmeasured',
      named: true,
      expected: TRANSPORT.includes(setting) ? 'accepted' : 'refused',
    } as const,
  ]);

  it('and every sample setting is in the table', () => {
    expect([...SETTINGS.keys()]).toEqual(expect.arrayContaining(Object.keys(SAMPLES)));
  });

  it.each(rows)('$setting from a $class source (named: $named) is $expected', async (row) => {
    const resolve = () => resolveConfiguration([source(sample(row.setting), { ...row, origin: 'the origin' })]);
    if (ALLOWED[row.expected] === undefined) {
      expect(JSON.stringify(resolve())).toContain('the origin');
      return;
    }
    const error = await expectFailure('CONFIG_CLASS_REFUSED', resolve);
    expect(error.context).toEqual({ setting: row.setting, origin: 'the origin' });
  });
});

describe('resolveConfiguration', () => {
  it('takes defaults, which are measured', () => {
    const { store, pull, log } = resolveConfiguration([]);
    expect(store.data).toEqual({ value: DEFAULTS['store.data'], class: 'measured', origin: 'default' });
    expect(pull.tlsVerify.value).toBe(true);
    expect(pull.insecurePolicy.value).toBe(false);
    expect(pull.policy.value).toBeUndefined();
    expect(log.level.value).toBe('info');
  });

  it('lets the first source win, and says which it was', () => {
    const { log } = resolveConfiguration([
      source({ 'log.level': 'warn' }, { origin: 'first' }),
      source({ 'log.level': 'error' }, { origin: 'second' }),
    ]);
    expect(log.level).toEqual({ value: 'warn', class: 'measured', origin: 'first' });
  });

  it('lets a measured value win over an unmeasured one that stands before it', () => {
    const { pull } = resolveConfiguration([
      source({ 'pull.tls_verify': false }, { class: 'unmeasured', origin: 'host' }),
      source({ 'pull.tls_verify': true }, { origin: 'file' }),
    ]);
    expect(pull.tlsVerify).toEqual({ value: true, class: 'measured', origin: 'file' });
  });

  it.each([
    ['root alone', [{ 'store.root': '/r' }], '/r/data', '/r/state'],
    ['root with data in one source', [{ 'store.root': '/r', 'store.data': '/d' }], '/d', '/r/state'],
    ['root over a weaker data', [{ 'store.root': '/r' }, { 'store.data': '/d' }], '/r/data', '/r/state'],
    ['data over a weaker root', [{ 'store.data': '/d' }, { 'store.root': '/r' }], '/d', '/r/state'],
  ])('sets the directories of the store: %s', (_, values, data, state) => {
    const { store } = resolveConfiguration(values.map((each) => source(each)));
    expect([store.data.value, store.state.value]).toEqual([data, state]);
  });

  describe('policy and insecure_policy', () => {
    const named = { named: true };

    it('a stronger policy ends a weaker insecure_policy', () => {
      const strong = source({ 'pull.policy': '/p' }, named);
      const { pull } = resolveConfiguration([strong, source({ 'pull.insecure_policy': true }, named)]);
      expect([pull.policy.value, pull.insecurePolicy.value]).toEqual(['/p', false]);
    });

    it('a stronger insecure_policy ends a weaker policy', () => {
      const strong = source({ 'pull.insecure_policy': true }, named);
      const { pull } = resolveConfiguration([strong, source({ 'pull.policy': '/p' }, named)]);
      expect([pull.policy.value, pull.insecurePolicy.value]).toEqual([undefined, true]);
    });

    it('insecure_policy = false ends nothing', () => {
      const strong = source({ 'pull.insecure_policy': false }, named);
      const { pull } = resolveConfiguration([strong, source({ 'pull.policy': '/p' }, named)]);
      expect(pull.policy.value).toBe('/p');
    });

    it('both in one source are refused', async () => {
      const both = source({ 'pull.policy': '/p', 'pull.insecure_policy': true }, named);
      await expectFailure('CONFIG_FILE_INVALID', () => resolveConfiguration([both]));
    });
  });
});

describe('an unmeasured transport', () => {
  const host = { class: 'unmeasured', origin: 'host' } as const;
  const measured = resolveConfiguration([source({ 'pull.tls_verify': false })]);

  it.each([
    { 'pull.tls_verify': false },
    { 'pull.tls_verify': true },
    { 'pull.extra_root_certificates': ['pem'] },
    ...PROXY.map((setting) => ({ [setting]: 'proxy.example' })),
  ])('%o serves proven images only, and carries no measured credentials', async (values) => {
    const configuration = resolveConfiguration([source(values, host)]);
    assertTransportAllowed(configuration, 'digest');
    assertTransportAllowed(configuration, 'signature');
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertTransportAllowed(configuration, 'none'));
    assertCredentialsAllowed(configuration, 'unmeasured');
    await expectFailure('CONFIG_CLASS_REFUSED', () => assertCredentialsAllowed(configuration, 'measured'));
  });

  it('differs from a measured one, which serves all', () => {
    for (const proof of ['digest', 'signature', 'none'] as const) {
      expect(() => assertTransportAllowed(measured, proof)).not.toThrow();
    }
    expect(() => assertCredentialsAllowed(measured, 'measured')).not.toThrow();
  });
});
