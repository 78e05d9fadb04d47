import { isDigest } from '../../oci/index.ts';

type ScopeRule = (scope: string) => string | undefined;

const anyScope: ScopeRule = () => undefined;
const noScope: ScopeRule = () => 'expected no scope but ""';

/** The path has to be absolute and normalised, since another spelling of it would never match. */
const pathScope: ScopeRule = (scope) => {
  if (scope === '/') return 'expected a folder below "/"; the scope "" stands for all';
  const components = scope.split('/').slice(1);
  const clean = scope.startsWith('/') && components.every((part) => part !== '' && part !== '.' && part !== '..');
  return clean ? undefined : 'expected an absolute path without ".", ".." and empty components';
};

const daemonScope: ScopeRule = (scope) =>
  isDigest(scope) ? 'images by digest have no scope of their own but ""' : undefined;

const storageScope: ScopeRule = (scope) => (scope.startsWith('[') ? undefined : 'expected [driver@root] in front');

// https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#supported-transports-and-their-scopes
const SCOPE_RULES: ReadonlyMap<string, ScopeRule> = new Map([
  ['docker', anyScope],
  ['atomic', anyScope],
  ['docker-daemon', daemonScope],
  ['containers-storage', storageScope],
  ['dir', pathScope],
  ['oci', pathScope],
  ['oci-archive', pathScope],
  ['sif', pathScope],
  ['docker-archive', noScope],
  ['tarball', noScope],
]);

/** Returns what is wrong with a scope of a known transport. Scopes of unknown transports are not looked at. */
export function scopeProblem(transport: string, scope: string): string | undefined {
  return scope === '' ? undefined : SCOPE_RULES.get(transport)?.(scope);
}

/** True for a transport of containers/image. */
export function isKnownTransport(transport: string): boolean {
  return SCOPE_RULES.has(transport);
}
