import { SealiftError } from '../errors/index.ts';
import { checkConfiguration } from './schema.ts';
import { environmentName, SETTINGS, snakeCase } from './settings.ts';
import type { SettingName, SettingValues } from './types.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** Text → what the schema wants to see for this setting; text that does not fit stays text, and the schema refuses it. */
function fromText(setting: SettingName, text: string): unknown {
  if (setting === 'pull.tls_verify' || setting === 'pull.insecure_policy') return BOOLEANS.get(text) ?? text;
  if (setting === 'pull.extra_root_certificates') return [text];
  const isNumber = setting === 'store.min_free_bytes' || setting.startsWith('pull.limits.');
  return isNumber && /^[0-9]{1,16}$/.test(text) ? Number(text) : text;
}

/** The document in which `value` stands at the path of `setting`. */
function nest(setting: SettingName, value: unknown): unknown {
  return snakeCase(setting)
    .split('.')
    .reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

/**
 * Settings in `SEALIFT_*` variables. Other variables of that prefix are left alone: Kubernetes sets some for a service
 * called sealift. An empty variable is an unset one.
 */
export function parseEnvironment(environment: Environment): SettingValues {
  const values: [SettingName, unknown][] = [];
  for (const setting of SETTINGS.keys()) {
    const variable = environmentName(setting);
    const text = environment[variable];
    if (text === undefined || text === '') continue;
    const value = fromText(setting, text);
    const checked = checkConfiguration(nest(setting, value));
    if (!checked.ok) throw new SealiftError('CONFIG_FILE_INVALID', `environment ${variable}: ${checked.problem}`);
    values.push([setting, value]);
  }
  // The schema has just vouched for the type of each value.
  return Object.fromEntries(values) as SettingValues;
}
