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

/** Converts text to the type that the schema expects of a setting. Other text stays text, and the schema refuses it. */
function fromText(setting: SettingName, text: string): unknown {
  if (SWITCHES.has(setting)) return BOOLEANS.get(text) ?? text;
  if (setting === 'pull.extra_root_certificates') return [text];
  const isNumber = setting === 'store.min_free_bytes' || setting.startsWith('pull.limits.');
  return isNumber && /^[0-9]{1,16}$/.test(text) ? Number(text) : text;
}

/** Returns a document in which `value` is at the path of `setting`. */
function nest(setting: SettingName, value: unknown): unknown {
  return snakeCase(setting)
    .split('.')
    .reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

/** Returns what is wrong with a value that comes from outside a file, without quoting it; undefined: nothing. */
export function checkSetting(setting: SettingName, value: unknown): string | undefined {
  const checked = checkConfiguration(nest(setting, value));
  return checked.ok ? undefined : checked.problem;
}

/**
 * Parses the settings in `SEALIFT_*` variables. Other variables with that prefix are ignored: Kubernetes sets some for
 * a service called sealift. An empty variable counts as unset. Throws `CONFIG_FILE_INVALID`.
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
  // The schema has checked the type of each value.
  return Object.fromEntries(values) as SettingValues;
}

/** The variables for schemes without a proxy of their own. https://curl.se/docs/manpage.html#ENVIRONMENT */
const ALL_PROXY: readonly string[] = ['ALL_PROXY', 'all_proxy'];

/**
 * Variables that other tools read as well; the first one that is set counts.
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy#FromEnvironment
 */
const COMMON_VARIABLES: ReadonlyMap<SettingName, readonly string[]> = new Map<SettingName, readonly string[]>([
  ['pull.authfile', ['REGISTRY_AUTH_FILE']],
  ['pull.registries_conf', ['CONTAINERS_REGISTRIES_CONF']],
  ['pull.proxy.https', ['HTTPS_PROXY', 'https_proxy', ...ALL_PROXY]],
  ['pull.proxy.http', ['HTTP_PROXY', 'http_proxy', ...ALL_PROXY]],
  ['pull.proxy.no_proxy', ['NO_PROXY', 'no_proxy']],
]);

const FILES: ReadonlySet<SettingName> = new Set(['pull.authfile', 'pull.registries_conf']);

/** Under CGI, which sets REQUEST_METHOD, HTTP_PROXY is a header of the request. https://httpoxy.org */
function isForged(variable: string, environment: Environment): boolean {
  return variable === 'HTTP_PROXY' && Boolean(environment['REQUEST_METHOD']);
}

interface CommonSetting {
  readonly variable: string;
  readonly values: SettingValues;
}

/** Parses the settings in variables that other tools read as well. Throws `CONFIG_FILE_INVALID`. */
export function parseCommonEnvironment(environment: Environment): readonly CommonSetting[] {
  return [...COMMON_VARIABLES].flatMap(([setting, names]) => {
    const variable = names.find((name) => environment[name] && !isForged(name, environment));
    if (variable === undefined) return [];
    const value = environment[variable];
    // Other tools accept relative paths there.
    const problem = FILES.has(setting) ? undefined : checkSetting(setting, value);
    if (problem !== undefined) throw new SealiftError('CONFIG_FILE_INVALID', `environment ${variable}: ${problem}`);
    return [{ variable, values: { [setting]: value } as SettingValues }];
  });
}
