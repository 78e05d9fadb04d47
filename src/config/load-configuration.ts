import { LIMITS } from '../limits/index.ts';
import { CHECK_PATH } from './load-named-file.ts';
import { loadTextFile, REPLACE_FILE } from './load-text-file.ts';
import { parseConfiguration } from './parse-configuration.ts';
import { type Environment, parseCommonEnvironment, parseEnvironment } from './parse-environment.ts';
import { resolveConfiguration } from './resolve-configuration.ts';
import { environmentName } from './settings.ts';
import type { Configuration, ConfigurationSource, NamedFile, SettingName, SettingValues } from './types.ts';

const DEFAULT_FILE = '/etc/sealift/sealift.toml';

const FLAGS: ReadonlyMap<SettingName, string> = new Map([
  ['store.root', '--store'],
  ['pull.policy', '--policy'],
  ['pull.insecure_policy', '--insecure-policy'],
  ['pull.authfile', '--authfile'],
  ['pull.registries_conf', '--registries-conf'],
  ['pull.registries_conf_d', '--registries-conf-d'],
  ['pull.registries_d', '--registries.d'],
  ['pull.tls_verify', '--tls-verify'],
  ['pull.platform', '--platform'],
  ['log.level', '--debug'],
]);

export interface ConfigurationInputs {
  /** The host may choose the environment of the daemon; the user chooses that of the CLI. */
  readonly program: 'cli' | 'daemon';
  readonly flags: SettingValues;
  readonly environment: Environment;
  /** The file given with -c. A path must name a regular file; see `loadNamedFile` for any other. */
  readonly file: string | NamedFile | undefined;
  /** The path that only the CLI reads without being told to; the file may be absent. */
  readonly defaultFile?: string;
}

function flagSource(flags: SettingValues): ConfigurationSource {
  const originOf = (setting: SettingName): string => `flag ${FLAGS.get(setting) ?? setting}`;
  return { class: 'measured', named: true, originOf, values: flags };
}

function environmentSources({ program, environment }: ConfigurationInputs): ConfigurationSource[] {
  const own: ConfigurationSource = {
    class: program === 'cli' ? 'measured' : 'unmeasured',
    named: false,
    originOf: (setting) => `environment ${environmentName(setting)}`,
    values: parseEnvironment(environment),
  };
  if (program === 'daemon') return [own];
  const common = parseCommonEnvironment(environment).map(({ variable, values }): ConfigurationSource => {
    return { class: 'measured', named: false, originOf: () => `environment ${variable}`, values };
  });
  return [own, ...common];
}

function fileSource(given: string | NamedFile, named: boolean): ConfigurationSource[] {
  const path = typeof given === 'string' ? given : given.path;
  const file = {
    path,
    what: 'configuration',
    maxBytes: LIMITS.maxConfigurationBytes.default,
    code: 'CONFIG_FILE_INVALID',
    hint: named ? CHECK_PATH : REPLACE_FILE,
  } as const;
  const text =
    typeof given !== 'string' ? given.text : named ? loadTextFile(file) : loadTextFile({ ...file, optional: true });
  if (text === undefined) return [];
  return [{ class: 'measured', named, originOf: () => `file ${path}`, values: parseConfiguration(text, path) }];
}

/**
 * Loads the configuration. The strongest source is the flags, then come the environment, the file given with -c, for
 * the CLI /etc/sealift/sealift.toml, and the defaults. Throws `CONFIG_FILE_INVALID` and `CONFIG_CLASS_REFUSED`.
 */
export function loadConfiguration(inputs: ConfigurationInputs): Configuration {
  const { program, flags, file, defaultFile = DEFAULT_FILE } = inputs;
  return resolveConfiguration([
    flagSource(flags),
    ...environmentSources(inputs),
    ...(file === undefined ? [] : fileSource(file, true)),
    ...(program === 'cli' ? fileSource(defaultFile, false) : []),
  ]);
}
