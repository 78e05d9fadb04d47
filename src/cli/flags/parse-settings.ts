import type { SettingValues } from '../../config/index.ts';
import { parsePath, usage } from './usage.ts';

/** The flags that stand for a setting of the configuration file; each command has some of them. */
export interface SettingFlags {
  readonly store?: string;
  readonly platform?: string;
  readonly authfile?: string;
  readonly registriesConf?: string;
  readonly registriesConfD?: string;
  readonly 'registries.d'?: string;
  readonly tlsVerify?: string;
  readonly policy?: string;
  readonly insecurePolicy?: true;
  readonly foreignLayers?: true;
  readonly debug?: true;
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** Settings that are paths, by their flags. */
const PATH_FLAGS = [
  ['store.root', 'store', '--store'],
  ['pull.policy', 'policy', '--policy'],
  ['pull.authfile', 'authfile', '--authfile'],
  ['pull.registries_conf', 'registriesConf', '--registries-conf'],
  ['pull.registries_conf_d', 'registriesConfD', '--registries-conf-d'],
  ['pull.registries_d', 'registries.d', '--registries.d'],
] as const;

/** `--tls-verify` takes its value behind `=` only, so that a reference behind it stays one. */
export function bindTlsVerify(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return argv.map((argument, position) =>
    argument === '--tls-verify' && (end < 0 || position < end) ? '--tls-verify=true' : argument,
  );
}

function parsePathSettings(flags: SettingFlags, io: { readonly cwd: string }): SettingValues {
  const settings = PATH_FLAGS.map(([setting, name, flag]) => {
    const text = flags[name];
    return text === undefined ? {} : { [setting]: parsePath(io, text, flag) };
  });
  return Object.assign({}, ...settings);
}

/** The settings that the flags stand for, by their path in the configuration file. Throws `USAGE`. */
export function parseSettings(flags: SettingFlags, io: { readonly cwd: string }): SettingValues {
  const { insecurePolicy, foreignLayers, tlsVerify, platform, debug } = flags;
  const verify = tlsVerify === undefined ? undefined : BOOLEANS.get(tlsVerify);
  if (tlsVerify !== undefined && verify === undefined) {
    usage(`--tls-verify: expected true or false, got "${tlsVerify}"`);
  }
  return {
    ...parsePathSettings(flags, io),
    ...(insecurePolicy ? { 'pull.insecure_policy': true } : {}),
    ...(foreignLayers ? { 'pull.foreign_layer_urls': true } : {}),
    ...(verify === undefined ? {} : { 'pull.tls_verify': verify }),
    ...(platform === undefined ? {} : { 'pull.platform': platform }),
    ...(debug ? { 'log.level': 'debug' } : {}),
  };
}
