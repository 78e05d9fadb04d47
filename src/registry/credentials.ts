import type { AuthFile, CredentialSource, Credentials, RepositoryName } from './types.ts';

const DOCKER_HUB_HOSTS = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

function normalizeHost(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_HOSTS.has(lower) ? 'docker.io' : lower;
}

/** Returns the host of a key that names a whole registry, also in docker's old form `https://index.docker.io/v1/`. */
function registryOfKey(key: string): string | undefined {
  const address = key.replace(/^https?:\/\//i, '');
  if (address === key) return key.includes('/') ? undefined : normalizeHost(key);
  const [host = ''] = address.split('/', 1);
  return normalizeHost(host);
}

/** Returns `h/a/b`, `h/a`, `h`, the most specific first. */
function keysOf(name: RepositoryName): string[] {
  const components = name.path.split('/');
  const domain = name.domain.toLowerCase();
  return [
    ...components.map((_, index) => [domain, ...components.slice(0, components.length - index)].join('/')),
    domain,
  ];
}

/** Host names ignore case, paths do not. */
function foldHost(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? key.toLowerCase() : `${key.slice(0, slash).toLowerCase()}${key.slice(slash)}`;
}

/**
 * Returns the credentials of the most specific key: a path, its parents, the host, then hosts in docker's spellings. Whole
 * components are compared, never parts of a name. containers-auth.json(5)
 */
export function credentialsFor(file: AuthFile, name: RepositoryName): Credentials | undefined {
  const entries = [...file.entries];
  for (const wanted of keysOf(name)) {
    const exact = entries.find(([key]) => foldHost(key) === wanted);
    if (exact !== undefined) return exact[1];
  }
  const registry = normalizeHost(name.domain);
  return entries.find(([key]) => registryOfKey(key) === registry)?.[1];
}

/** Docker's credential helpers know Docker Hub by this address. https://docs.docker.com/reference/cli/docker/login/ */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/';

function serverOf(name: RepositoryName): string {
  const host = normalizeHost(name.domain);
  return host === 'docker.io' ? DOCKER_HUB_SERVER : host;
}

/**
 * Returns where this file says that the credentials are: the helper for the host, an entry, the helper for all hosts.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-auth.json.5.md#credential-helpers
 */
export function credentialSourceFor(file: AuthFile, name: RepositoryName): CredentialSource | undefined {
  const registry = normalizeHost(name.domain);
  const [, helper] = [...file.helpers].find(([key]) => registryOfKey(key) === registry) ?? [];
  if (helper !== undefined) return { kind: 'helper', helper: { name: helper, server: serverOf(name) } };
  const credentials = credentialsFor(file, name);
  if (credentials !== undefined) return { kind: 'known', credentials };
  if (file.store === undefined) return undefined;
  return { kind: 'helper', helper: { name: file.store, server: serverOf(name) } };
}
