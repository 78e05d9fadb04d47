import { join } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import type { LimitName, Limits } from '../limits/index.ts';
import { DEFAULTS, LIMIT_NAMES, SETTINGS } from './settings.ts';
import type { Classified, Configuration, ConfigurationSource, SettingName, SettingValues } from './types.ts';

type Settled = Map<SettingName, Classified<unknown>>;

function assertMaySet(source: ConfigurationSource, setting: SettingName): void {
  const rule = SETTINGS.get(setting);
  const origin = source.originOf(setting);
  if (rule === undefined) throw new SealiftError('CONFIG_FILE_INVALID', `${origin}: ${setting}: unknown setting`);
  const context = { setting, origin };
  if (source.class === 'unmeasured' && rule.settableBy !== 'any') {
    const message = `${origin}: ${setting}: expected a measured source, got an unmeasured one: ${rule.reason}`;
    throw new SealiftError('CONFIG_CLASS_REFUSED', message, { context });
  }
  if (rule.settableBy === 'named' && !source.named) {
    const message = `${origin}: ${setting}: expected a flag or a file given with -c: ${rule.reason}`;
    throw new SealiftError('CONFIG_CLASS_REFUSED', message, {
      context,
      hint: 'use --policy or --insecure-policy, or name the configuration file with -c',
    });
  }
}

/** Replaces `store.root` by the two settings that it sets, so that the stronger source wins for each of them. */
function expandRoot(values: SettingValues): SettingValues {
  const { 'store.root': root, ...rest } = values;
  return root === undefined
    ? values
    : { 'store.data': join(root, 'data'), 'store.state': join(root, 'state'), ...rest };
}

function apply(settled: Settled, source: ConfigurationSource): void {
  const given = source.values;
  for (const setting of Object.keys(given) as SettingName[]) assertMaySet(source, setting);
  if (given['pull.policy'] !== undefined && given['pull.insecure_policy'] === true) {
    const origin = source.originOf('pull.insecure_policy');
    throw new SealiftError('CONFIG_FILE_INVALID', `${origin}: expected policy or insecure_policy, got both`);
  }
  // The policy of a stronger source cancels insecure_policy of a weaker one, and the reverse.
  if (given['pull.policy'] !== undefined) settled.delete('pull.insecure_policy');
  if (given['pull.insecure_policy'] === true) settled.delete('pull.policy');
  for (const [name, value] of Object.entries(expandRoot(given))) {
    const setting = name as SettingName;
    const written = given[setting] === undefined ? 'store.root' : setting;
    settled.set(setting, { value, class: source.class, origin: source.originOf(written) });
  }
}

/** The schema of each source has checked its values, so `T` is the type of the setting. */
function pick<T>(settled: Settled, setting: SettingName, fallback: T): Classified<T> {
  const found = settled.get(setting) as Classified<T> | undefined;
  return found ?? { value: fallback, class: 'measured', origin: 'default' };
}

/**
 * Makes one configuration of several sources, the strongest first. A measured value always wins over an unmeasured one.
 * Throws `CONFIG_CLASS_REFUSED` when a source sets what it must not, and `CONFIG_FILE_INVALID`.
 */
export function resolveConfiguration(sources: readonly ConfigurationSource[]): Configuration {
  const settled: Settled = new Map();
  const weakestFirst = [...sources].reverse();
  for (const source of weakestFirst.filter((each) => each.class === 'unmeasured')) apply(settled, source);
  for (const source of weakestFirst.filter((each) => each.class === 'measured')) apply(settled, source);
  return {
    store: {
      data: pick(settled, 'store.data', DEFAULTS['store.data']),
      state: pick(settled, 'store.state', DEFAULTS['store.state']),
      layerFormat: pick(settled, 'store.layer_format', DEFAULTS['store.layer_format']),
      verity: pick(settled, 'store.verity', DEFAULTS['store.verity']),
      minFreeBytes: pick(settled, 'store.min_free_bytes', DEFAULTS['store.min_free_bytes']),
    },
    pull: {
      policy: pick<string | undefined>(settled, 'pull.policy', undefined),
      insecurePolicy: pick<boolean>(settled, 'pull.insecure_policy', DEFAULTS['pull.insecure_policy']),
      authfile: pick<string | undefined>(settled, 'pull.authfile', undefined),
      tlsVerify: pick<boolean>(settled, 'pull.tls_verify', DEFAULTS['pull.tls_verify']),
      extraRootCertificates: pick(settled, 'pull.extra_root_certificates', DEFAULTS['pull.extra_root_certificates']),
      registriesConf: pick<string | undefined>(settled, 'pull.registries_conf', undefined),
      registriesConfD: pick<string | undefined>(settled, 'pull.registries_conf_d', undefined),
      registriesD: pick<string | undefined>(settled, 'pull.registries_d', undefined),
      certsD: pick<string | undefined>(settled, 'pull.certs_d', undefined),
      platform: pick<string | undefined>(settled, 'pull.platform', undefined),
      foreignLayerUrls: pick<boolean>(settled, 'pull.foreign_layer_urls', DEFAULTS['pull.foreign_layer_urls']),
      inflate: pick(settled, 'pull.inflate', DEFAULTS['pull.inflate']),
      notBefore: pick<string>(settled, 'pull.not_before', DEFAULTS['pull.not_before']),
      proxy: {
        https: pick<string | undefined>(settled, 'pull.proxy.https', undefined),
        http: pick<string | undefined>(settled, 'pull.proxy.http', undefined),
        noProxy: pick<string | undefined>(settled, 'pull.proxy.no_proxy', undefined),
      },
      limits: Object.fromEntries(
        LIMIT_NAMES.map((name) => [name, pick(settled, `pull.limits.${name}`, DEFAULTS.limits[name])]),
      ) as { readonly [Name in LimitName]: Classified<number> },
    },
    log: { level: pick(settled, 'log.level', DEFAULTS['log.level']) },
  };
}

/** Returns the limits as the rooms take them, without their origin: only measured sources can have set one. */
export function limitsOf({ pull }: Pick<Configuration, 'pull'>): Limits {
  return Object.fromEntries(Object.entries(pull.limits).map(([name, limit]) => [name, limit.value])) as Limits;
}
