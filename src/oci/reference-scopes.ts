import { formatReference, formatRepositoryName, type Reference, withDefaultTag } from './reference.ts';

/** `a/b/c` → `a/b/c`, `a/b`, `a`. */
function withParents(repository: string): string[] {
  const names = [repository];
  for (let cut = repository.lastIndexOf('/'); cut >= 0; cut = repository.lastIndexOf('/', cut - 1)) {
    names.push(repository.slice(0, cut));
  }
  return names;
}

/** `x.example.com:5000` → `*.example.com`, `*.com`; never the host itself, never a port. */
function wildcards(domain: string): string[] {
  const [host = ''] = domain.split(':', 1);
  const labels = host.split('.');
  return labels.slice(1).map((_, position) => `*.${labels.slice(position + 1).join('.')}`);
}

/** In a reference with tag and digest, the digest names the image and the tag is only a remark. */
function identityOf(reference: Reference): string {
  const named = withDefaultTag(reference);
  return formatReference(named.digest === undefined ? named : { ...named, tag: undefined });
}

/**
 * Returns the names by which policy.json and registries.d may mean an image, the most specific first: the image, its
 * repository, the namespaces above it, its host, and the domains above the host.
 * https://github.com/containers/image/blob/v5.36.2/docker/policyconfiguration/naming.go
 */
export function referenceScopes(reference: Reference): readonly string[] {
  return [identityOf(reference), ...withParents(formatRepositoryName(reference)), ...wildcards(reference.domain)];
}
