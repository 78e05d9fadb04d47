import { DEFAULT_LIMITS, LIMITS, type LimitName } from '../limits/index.ts';
import type { InflateMode, LayerFormatSetting, LogLevel, SettingName, VerityMode } from './types.ts';

/**
 * The sources that may set a setting.
 *
 * - `named`: measured sources that the user named, such as a flag or a file given with -c; never the default file.
 * - `measured`: all measured sources.
 * - `any`: unmeasured sources too, because the setting only helps bytes arrive. Whether a pull may use an unmeasured
 *   value depends on the proof of its image: see `assertTransportAllowed`.
 */
type SettableBy = 'named' | 'measured' | 'any';

interface Setting {
  readonly settableBy: SettableBy;
  readonly reason: string;
}

const BASE = {
  'store.root': { settableBy: 'measured', reason: 'layers would lie where the host chose' },
  'store.data': { settableBy: 'measured', reason: 'layers would lie where the host chose' },
  'store.state': { settableBy: 'measured', reason: 'the index must lie in guest memory' },
  'store.layer_format': { settableBy: 'measured', reason: 'an encrypted store must not hold directories' },
  'store.verity': { settableBy: 'measured', reason: 'it keeps the host from changing layers' },
  'store.min_free_bytes': { settableBy: 'measured', reason: 'a resource limit' },
  'pull.policy': { settableBy: 'named', reason: 'it decides which images run' },
  'pull.insecure_policy': { settableBy: 'named', reason: 'it decides which images run' },
  'pull.authfile': { settableBy: 'measured', reason: 'it would choose the measured credentials that are sent' },
  'pull.tls_verify': { settableBy: 'any', reason: 'bytes of a proven image may come over any connection' },
  'pull.extra_root_certificates': { settableBy: 'any', reason: 'bytes of a proven image may come from any server' },
  'pull.proxy.https': { settableBy: 'any', reason: 'bytes of a proven image may come over any connection' },
  'pull.proxy.http': { settableBy: 'any', reason: 'bytes of a proven image may come over any connection' },
  'pull.proxy.no_proxy': { settableBy: 'any', reason: 'bytes of a proven image may come over any connection' },
  'pull.registries_conf': { settableBy: 'measured', reason: 'it blocks registries and gives names other locations' },
  'pull.registries_conf_d': { settableBy: 'measured', reason: 'it blocks registries and gives names other locations' },
  'pull.registries_d': { settableBy: 'measured', reason: 'it says where signatures are looked for' },
  'pull.certs_d': { settableBy: 'measured', reason: 'it would choose the client certificates that are sent' },
  'pull.platform': { settableBy: 'measured', reason: 'it decides which image of an index runs' },
  'pull.foreign_layer_urls': { settableBy: 'measured', reason: 'the guest would ask any address that an image names' },
  'pull.inflate': { settableBy: 'measured', reason: 'it chooses the code that reads untrusted layers' },
  'pull.not_before': { settableBy: 'measured', reason: 'expired keys and signatures would count again' },
  'log.level': { settableBy: 'measured', reason: 'logs are read by the host' },
} as const satisfies Partial<Record<SettingName, Setting>>;

/** docs/adr/0010-limits-table.md */
export const LIMIT_NAMES = Object.keys(LIMITS) as readonly LimitName[];

/** Every setting with the sources that may set it. The loader refuses a setting that is not in this table. */
export const SETTINGS: ReadonlyMap<SettingName, Setting> = new Map<SettingName, Setting>([
  ...(Object.entries(BASE) as [SettingName, Setting][]),
  ...LIMIT_NAMES.map((name): [SettingName, Setting] => [
    `pull.limits.${name}`,
    { settableBy: 'measured', reason: 'a resource limit' },
  ]),
]);

/** The values of settings that no source sets. */
export const DEFAULTS = {
  'store.data': '/var/lib/sealift',
  'store.state': '/run/sealift',
  'store.layer_format': 'auto' as LayerFormatSetting,
  'store.verity': 'auto' as VerityMode,
  // Space for the containers' writable layers after a pull.
  'store.min_free_bytes': 64 * 1024 * 1024,
  'pull.insecure_policy': false,
  'pull.tls_verify': true,
  'pull.foreign_layer_urls': false,
  'pull.inflate': 'auto' as InflateMode,
  // The date of the release, which a test compares with CHANGELOG.md: no true clock shows an earlier time.
  'pull.not_before': '2026-12-01',
  'pull.extra_root_certificates': [] as readonly string[],
  'log.level': 'info' as LogLevel,
  limits: DEFAULT_LIMITS,
} as const;

/** `maxLayerBytes` is `max_layer_bytes` in files and `…_MAX_LAYER_BYTES` in the environment. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `pull.limits.maxLayerBytes` → `SEALIFT_PULL_LIMITS_MAX_LAYER_BYTES` */
export function environmentName(setting: SettingName): string {
  return `SEALIFT_${snakeCase(setting).replaceAll('.', '_').toUpperCase()}`;
}
