import { parse } from 'smol-toml';

/** A process as the kata agent starts it. */
export interface LaunchedProcess {
  readonly id: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly config: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly waitSocket: string | undefined;
  /** How long the agent waits for the socket. 0: it looks once, before the process can have made it. */
  readonly timeoutSecs: number;
}

export interface LoadedManifest {
  /** The components that the agent looks up by their names, as absolute paths. */
  readonly paths: Readonly<Record<string, string>>;
  readonly processes: readonly LaunchedProcess[];
}

export const EXTENSION_ROOT = '/run/kata-extensions/coco';

/** The variables that the agent publishes, with its values. There are no others, and an unknown one is an error. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['aa_attestation_uri', 'unix:///run/confidential-containers/attestation-agent/attestation-agent.sock'],
  ['aa_attestation_socket', '/run/confidential-containers/attestation-agent/attestation-agent.sock'],
  ['aa_config_path', '/run/confidential-containers/initdata/aa.toml'],
  ['cdh_config_path', '/run/confidential-containers/initdata/cdh.toml'],
  ['cdh_socket', '/run/confidential-containers/cdh.sock'],
  ['ocicrypt_config_path', `${EXTENSION_ROOT}/etc/ocicrypt_config.json`],
  ['rest_api_features', 'resource'],
  ['launch_process_timeout', '6'],
  ['initdata_toml_path', '/run/confidential-containers/initdata/initdata.toml'],
  ['extension_root', EXTENSION_ROOT],
  ['attester_variant', 'default'],
]);

/** The agent looks these up at its start, and when a pod's first container is made; each one missing is an error. */
const REQUIRED_PATHS = ['ocicrypt-config', 'pause-bundle'];

/** Text of TOML tables, before its types are checked. */
type Table = Readonly<Record<string, unknown>>;

/**
 * Loads the manifest of an extension as the kata agent does, and throws where the agent refuses it. Unknown keys have
 * no effect in the agent; here they are errors, because a misspelt key is one.
 * https://github.com/kata-containers/kata-containers/blob/main/src/agent/src/guest_extension_image.rs
 */
export function loadKataManifest(text: string): LoadedManifest {
  const manifest: Table = parse(text);
  assertKeys('manifest', manifest, ['schema_version', 'paths', 'process']);
  if (manifest['schema_version'] !== 1) throw new Error('schema_version: expected 1');
  const paths = texts('paths', manifest['paths'] ?? {});
  for (const name of REQUIRED_PATHS) {
    if (paths[name] === undefined) throw new Error(`component '${name}' not found in the manifest`);
  }
  const processes = (manifest['process'] ?? []) as readonly Table[];
  return {
    paths: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, belowRoot(path)])),
    // A process of level 0 is never started.
    processes: processes.filter(({ level }) => typeof level === 'number' && level > 0).map(launch),
  };
}

function launch(process: Table): LaunchedProcess {
  const { id, path, args = [], config, env = {}, wait_socket: waitSocket, timeout_secs: timeoutSecs } = process;
  assertKeys('process', process, ['id', 'level', 'path', 'args', 'config', 'env', 'wait_socket', 'timeout_secs']);
  const seconds = optional('timeout_secs', timeoutSecs) ?? '0';
  if (!/^[0-9]+$/.test(seconds)) throw new Error(`invalid timeout_secs '${seconds}'`);
  return {
    id: text('id', id),
    path: belowRoot(substitute(text('path', path))),
    args: (args as readonly unknown[]).map((each) => substitute(text('args', each))),
    config: optional('config', config),
    env: Object.fromEntries(Object.entries(texts('env', env)).map(([name, value]) => [name, substitute(value)])),
    waitSocket: optional('wait_socket', waitSocket),
    timeoutSecs: Number(seconds),
  };
}

function substitute(template: string): string {
  return template.replace(/\$\{([^}]*)\}?/g, (token, name: string) => {
    const value = VARIABLES.get(name);
    if (!token.endsWith('}') || value === undefined) throw new Error(`unknown substitution variable '${name}'`);
    return value;
  });
}

function belowRoot(path: string): string {
  if (path === '' || path.startsWith('/') || path.split('/').includes('..')) throw new Error(`invalid path '${path}'`);
  return `${EXTENSION_ROOT}/${path}`;
}

function optional(key: string, value: unknown): string | undefined {
  return value === undefined ? undefined : substitute(text(key, value)) || undefined;
}

function text(key: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${key}: expected a text, got ${typeof value}`);
  return value;
}

function texts(key: string, table: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(table as Table).map(([name, value]) => [name, text(key, value)]));
}

function assertKeys(what: string, table: Table, known: readonly string[]): void {
  const unknown = Object.keys(table).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new Error(`${what}: unknown keys ${unknown.join(', ')}`);
}
