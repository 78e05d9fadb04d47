import { SealiftError } from '../../errors/index.ts';
import type { Credentials } from '../../registry/index.ts';
import { decodeDocument } from '../decode-document.ts';
import { checkDocument } from '../schema.ts';
import type { ConfigurationSource, SettingValues } from '../types.ts';
import type { Contribution } from './contribution.ts';
import { normalizePattern } from './match-registry.ts';
import { BROKER_VARIABLES } from './resolve-key-broker.ts';
import {
  IMAGEPULLER_KEYS,
  type ImagepullerFile,
  type ImagepullerRegistry,
  imagepullerSchema,
  REGISTRY_KEYS,
} from './schema.ts';
import type { HostMirror, PullObstacle, RegistryOverride, RegistryOverrides } from './types.ts';

export interface ImagepullerContribution extends Contribution {
  readonly overrides: RegistryOverrides;
}

/** A table of imagepuller.toml, for messages. */
interface OverrideTable {
  readonly path: string;
  readonly pattern: string;
}

/** Throws an error that names the key and never quotes a value, because any value may be a secret. */
function refuse(path: string, problem: string): never {
  throw new SealiftError('CONFIG_FILE_INVALID', `configuration ${path}: ${problem}`, {
    context: { path },
    hint: 'docs/daemon-configuration.md lists the keys of imagepuller.toml',
  });
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function basic(username: string, password: string, { path, pattern }: OverrideTable): Credentials {
  // https://www.rfc-editor.org/rfc/rfc7617#section-2
  if (/[\u0000-\u001f\u007f]/.test(username + password)) {
    refuse(path, `registries.${pattern}: expected credentials without control characters`);
  }
  return { kind: 'basic', username, password };
}

function registryToken(token: string, { path, pattern }: OverrideTable): Credentials {
  // The token is sent in a header. https://www.rfc-editor.org/rfc/rfc6750#section-2.1
  if (!/^[\x21-\x7e]+$/.test(token)) {
    refuse(path, `registries.${pattern}.registrytoken: expected printable ASCII characters`);
  }
  return { kind: 'registry-token', token };
}

function decodePair(encoded: string, table: OverrideTable): Credentials {
  const compact = encoded.trim();
  const pair = Buffer.from(compact, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(compact) && compact.length % 4 === 0;
  if (!isBase64 || colon < 0) {
    return refuse(table.path, `registries.${table.pattern}.auth: expected base64 of user:password`);
  }
  return basic(pair.slice(0, colon), pair.slice(colon + 1), table);
}

function credentialsOf(registry: ImagepullerRegistry, table: OverrideTable): Credentials | undefined {
  const { registrytoken, identitytoken, username, password = '', auth } = registry;
  if (registrytoken) return registryToken(registrytoken, table);
  if (identitytoken) return { kind: 'identity-token', token: identitytoken };
  if (username) return basic(username, password, table);
  return auth ? decodePair(auth, table) : undefined;
}

/** Parses the mirror of a registry, https://docs.edgeless.systems/contrast/howto/registry-authentication */
function parseMirror(text: string, { path, pattern }: OverrideTable): HostMirror {
  const url = URL.parse(text);
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === null || !isWeb || url.username + url.password + url.search + url.hash !== '') {
    return refuse(path, `registries.${pattern}.mirror: expected http:// or https://HOST[:PORT][/PATH]`);
  }
  return { host: url.host, prefix: url.pathname.replace(/\/+$/, ''), insecure: url.protocol === 'http:' };
}

function overrideOf(registry: ImagepullerRegistry, table: OverrideTable): RegistryOverride {
  const certificates = registry['ca-certs'];
  return {
    class: 'unmeasured',
    origin: `file ${table.path}, registries.${table.pattern}`,
    credentials: credentialsOf(registry, table),
    rootCertificates: certificates ? (certificates.match(CERTIFICATE) ?? []) : undefined,
    tlsVerify: registry['insecure-skip-verify'] === true ? false : undefined,
    mirror: registry.mirror ? parseMirror(registry.mirror, table) : undefined,
  };
}

/**
 * Warns about unknown keys. They could only help bytes arrive: a pull without them fails at the registry, and no other
 * image runs.
 */
function registryWarnings(registry: ImagepullerRegistry, { path, pattern }: OverrideTable): string[] {
  const unknown = Object.keys(registry).filter((key) => !REGISTRY_KEYS.includes(key));
  return unknown.map((key) => `file ${path}: registries.${pattern}.${key}: unknown setting, ignored`);
}

/** Tables of the daemon's file that choose the key broker. */
const BROKER_TABLES: readonly string[] = ['aa', 'api', 'credentials', 'kbc', 'keybroker'];

const IMAGE_POLICY_KEYS: readonly string[] = [
  ...['image_security_policy', 'image_security_policy_uri', 'sigstore_config', 'sigstore_config_uri'],
];
/** Keys of the daemon's file that choose which images run, or where their signatures are; some tools write no table. */
const POLICY_KEYS: readonly (readonly [table: string | undefined, keys: readonly string[]])[] = [
  [undefined, IMAGE_POLICY_KEYS],
  ['image', IMAGE_POLICY_KEYS],
  ['pull', ['policy', 'insecure_policy', 'registries_d']],
];

/** The keys of the file that choose the policy, as in messages. */
function policyKeysIn(file: ImagepullerFile): readonly string[] {
  return POLICY_KEYS.flatMap(([table, keys]) => {
    const holder = table === undefined ? file : file[table];
    if (typeof holder !== 'object' || holder === null) return [];
    const found = keys.filter((key) => Object.hasOwn(holder, key));
    return found.map((key) => (table === undefined ? key : `${table}.${key}`));
  });
}

function tableWarnings(file: ImagepullerFile, path: string): string[] {
  const refused = policyKeysIn(file).map((key) => key.replace(/\..*/, ''));
  const known = [...IMAGEPULLER_KEYS, ...BROKER_TABLES, ...refused];
  const unknown = Object.keys(file).filter((key) => !known.includes(key));
  return unknown.map((key) => `file ${path}: ${key}: unknown setting, ignored`);
}

function proxySource({ 'extra-env': variables = {} }: ImagepullerFile, path: string): ConfigurationSource {
  const values = {
    'pull.proxy.https': variables.HTTPS_PROXY,
    'pull.proxy.http': variables.HTTP_PROXY,
    'pull.proxy.no_proxy': variables.NO_PROXY,
  };
  return {
    class: 'unmeasured',
    named: false,
    originOf: () => `file ${path}, extra-env`,
    values: Object.fromEntries(Object.entries(values).filter(([, value]) => value)) as SettingValues,
  };
}

/** What a file of the host may not choose: the keys that try to, what has to come from elsewhere, and from where. */
interface HostChoice {
  readonly keys: readonly string[];
  readonly subject: string;
  readonly remedy: string;
}

/** A file of the host that tries to choose the policy, or where policy and keys come from, was not written by mistake. */
function obstaclesOf({ keys, subject, remedy }: HostChoice, path: string): PullObstacle[] {
  return keys.map((key) => ({
    code: 'CONFIG_CLASS_REFUSED',
    key,
    origin: `file ${path}`,
    reason: `expected a measured source for ${subject}, got an unmeasured one`,
    hint: `remove ${key} from ${path}; ${remedy}`,
  }));
}

/** The keys of the file that choose the key broker, as in messages. */
function brokerKeysIn(file: ImagepullerFile): readonly string[] {
  const variables = Object.keys(file['extra-env'] ?? {}).filter((name) => BROKER_VARIABLES.includes(name));
  return [
    ...BROKER_TABLES.filter((table) => Object.hasOwn(file, table)),
    ...variables.map((name) => `extra-env.${name}`),
  ];
}

/** The choices that the file tries to make. */
function hostChoices(file: ImagepullerFile): readonly HostChoice[] {
  return [
    {
      keys: brokerKeysIn(file),
      subject: 'the key broker',
      remedy: 'the key broker is named in the measured configuration file',
    },
    {
      keys: policyKeysIn(file),
      subject: 'what decides which images run',
      remedy: 'the measured configuration file says which images run',
    },
  ];
}

function read(text: string, path: string): ImagepullerContribution {
  const checked = checkDocument(imagepullerSchema, decodeDocument(text, path));
  if (!checked.ok) return refuse(path, checked.problem);
  const { registries = {}, 'extra-env': variables = {} } = checked.file;
  const overrides = new Map<string, RegistryOverride>();
  const known = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', ...BROKER_VARIABLES];
  const foreign = Object.keys(variables).filter((name) => !known.includes(name));
  const warnings = [
    ...tableWarnings(checked.file, path),
    ...foreign.map((name) => `file ${path}: extra-env.${name}: ignored, because only proxies can be set`),
  ];
  for (const [written, registry] of Object.entries(registries)) {
    const pattern = normalizePattern(written);
    if (overrides.has(pattern)) return refuse(path, `registries.${pattern}: expected one table, got two`);
    overrides.set(pattern, overrideOf(registry, { path, pattern }));
    warnings.push(...registryWarnings(registry, { path, pattern }));
  }
  const obstacles = hostChoices(checked.file).flatMap((choice) => obstaclesOf(choice, path));
  return { sources: [proxySource(checked.file, path)], obstacles, warnings, overrides };
}

/**
 * Reads Contrast's imagepuller.toml, which the host may have written. A file with an error is an obstacle to pulls and
 * not to the start: the daemon must serve to report it.
 */
export function imagepullerContribution(text: string, path: string): ImagepullerContribution {
  try {
    return read(text, path);
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    const { code, message } = error;
    const hint = `correct ${path}`;
    const obstacle = { code, key: 'imagepuller.toml', origin: `file ${path}`, reason: message, hint };
    return { sources: [], obstacles: [obstacle], warnings: [], overrides: new Map() };
  }
}
