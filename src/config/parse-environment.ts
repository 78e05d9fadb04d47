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

const SWITCHES: ReadonlySet<SettingName> = new Set([
  ...(['pull.tls_verify', 'pull.insecure_policy', 'pull.foreign_layer_urls'] as const),
]);

/** Text → what the schema wants to see for this setting; text that does not fit stays text, and the schema refuses it. */
function fromText(setting: SettingName, text: string): unknown {
  if (SWITCHES.has(setting)) return BOOLEANS.get(text) ?? text;
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

/** What is wrong with one value from outside a file; never what it says. */
export function checkSetting(setting: SettingName, value: unknown): string | undefined {
  const checked = checkConfiguration(nest(setting, value));
  return checked.ok ? undefined : checked.problem;
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
    const problem = checkSetting(setting, value);
    if (problem !== undefined) throw new SealiftError('CONFIG_FILE_INVALID', `environment ${variable}: ${problem}`);
    values.push([setting, value]);
  }
  // The schema has just vouched for the type of each value.
  return Object.fromEntries(values) as SettingValues;
}

/** For what has no proxy of its own. https://curl.se/docs/manpage.html#ENVIRONMENT */
const ALL_PROXY: readonly string[] = ['ALL_PROXY', 'all_proxy'];

/** What other tools read too; the first of several names wins. https://pkg.go.dev/golang.org/x/net/http/httpproxy#FromEnvironment */
const COMMON_VARIABLES: ReadonlyMap<SettingName, readonly string[]> = new Map<SettingName, readonly string[]>([
  ['pull.authfile', ['REGISTRY_AUTH_FILE']],
  ['pull.registries_conf', ['CONTAINERS_REGISTRIES_CONF']],
  ['pull.proxy.https', ['HTTPS_PROXY', 'https_proxy', ...ALL_PROXY]],
  ['pull.proxy.http', ['HTTP_PROXY', 'http_proxy', ...ALL_PROXY]],
  ['pull.proxy.no_proxy', ['NO_PROXY', 'no_proxy']],
]);

const FILES: ReadonlySet<SettingName> = new Set(['pull.authfile', 'pull.registries_conf']);

/** In CGI, which has REQUEST_METHOD, HTTP_PROXY is a header of the request. https://httpoxy.org */
function isForged(variable: string, environment: Environment): boolean {
  return variable === 'HTTP_PROXY' && Boolean(environment['REQUEST_METHOD']);
}

export interface CommonSetting {
  readonly variable: string;
  readonly values: SettingValues;
}

/** Settings in variables that are not ours alone. An empty variable is an unset one. */
export function parseCommonEnvironment(environment: Environment): readonly CommonSetting[] {
  return [...COMMON_VARIABLES].flatMap(([setting, names]) => {
    const variable = names.find((name) => environment[name] && !isForged(name, environment));
    if (variable === undefined) return [];
    const value = environment[variable];
    // Files may be given by a relative path there.
    const problem = FILES.has(setting) ? undefined : checkSetting(setting, value);
    if (problem !== undefined) throw new SealiftError('CONFIG_FILE_INVALID', `environment ${variable}: ${problem}`);
    return [{ variable, values: { [setting]: value } as SettingValues }];
  });
}
