import { SealiftError } from '../../errors/index.ts';
import { decodeDocument } from '../decode-document.ts';
import { checkDocument } from '../schema.ts';
import { type DaemonFile, daemonSchema, FOREIGN_TABLES } from './schema.ts';

export interface ParsedDaemonFile {
  readonly path: string;
  readonly file: DaemonFile;
  readonly warnings: readonly string[];
}

/** Returns the value at a path such as `image.work_dir`, or undefined when the file does not set it. */
export function settingAt(file: DaemonFile, key: string): unknown {
  return key.split('.').reduce<unknown>((table, part) => {
    return typeof table === 'object' && table !== null && Object.hasOwn(table, part)
      ? Reflect.get(table, part)
      : undefined;
  }, file);
}

/**
 * Pairs of keys with the same meaning. Both together are refused, because a user would expect either of them to win.
 */
const SYNONYMS: readonly (readonly [string, string])[] = [
  ['pull.extra_root_certificates', 'image.extra_root_certificates'],
  ['pull.proxy', 'image.image_pull_proxy'],
  ['pull.authfile', 'image.authenticated_registry_credentials_uri'],
  ['pull.policy', 'image.image_security_policy'],
  ['pull.policy', 'image.image_security_policy_uri'],
  ['pull.registries_conf', 'image.registry_config'],
  ['pull.registries_conf', 'image.registry_configuration_uri'],
  ['pull.registries_conf_d', 'image.registry_config'],
  ['pull.registries_conf_d', 'image.registry_configuration_uri'],
  ['pull.registries_d', 'image.sigstore_config'],
  ['pull.registries_d', 'image.sigstore_config_uri'],
  ['api.aa_socket', 'aa.aa_socket'],
];

function findContradiction(file: DaemonFile): string | undefined {
  const twice = SYNONYMS.find((keys) => keys.every((key) => settingAt(file, key) !== undefined));
  if (twice !== undefined) return `${twice[1]}: expected this or ${twice[0]}, got both`;
  const policy = ['image_security_policy', 'image_security_policy_uri'].find((key) => file.image?.[key] !== undefined);
  if (policy === undefined || file.pull?.insecure_policy !== true) return undefined;
  return `image.${policy}: expected this or pull.insecure_policy, got both`;
}

/**
 * Finds unknown keys in confidential-data-hub's tables: the first that differs from a known one in case only, and
 * others.
 */
function findUnknownKeys(file: DaemonFile): {
  readonly misspelt: string | undefined;
  readonly unknown: readonly string[];
} {
  const unknown: string[] = [];
  for (const [table, known] of FOREIGN_TABLES) {
    const value = table === '' ? file : settingAt(file, table);
    for (const key of Object.keys(value ?? {}).filter((each) => !known.includes(each))) {
      const path = table === '' ? key : `${table}.${key}`;
      const meant = known.find((each) => each === key.toLowerCase());
      // confidential-data-hub ignores case, so there the key would have an effect; it may be a policy.
      if (meant !== undefined) return { misspelt: `${path}: expected ${meant}`, unknown };
      unknown.push(path);
    }
  }
  return { misspelt: undefined, unknown };
}

/** Parses the file given with -c. Unknown keys of foreign tables become warnings. Throws `CONFIG_FILE_INVALID`. */
export function parseDaemonFile(text: string, path: string): ParsedDaemonFile {
  const refuse = (problem: string): never => {
    throw new SealiftError('CONFIG_FILE_INVALID', `configuration ${path}: ${problem}`, {
      context: { path },
      hint: 'compare with config/sealiftd.toml',
    });
  };
  const checked = checkDocument(daemonSchema, decodeDocument(text, path));
  if (!checked.ok) return refuse(checked.problem);
  const { file } = checked;
  const { misspelt, unknown } = findUnknownKeys(file);
  const problem = misspelt ?? findContradiction(file);
  if (problem !== undefined) return refuse(problem);
  return { path, file, warnings: unknown.map((key) => `file ${path}: ${key}: unknown setting, ignored`) };
}
