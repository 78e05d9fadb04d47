import { formatReference, formatRepositoryName, type Reference, withDefaultTag } from '../../oci/index.ts';
import type { Policy, Requirements } from './types.ts';

/** The one list of requirements that applies, and the policy entry that it stands under. */
export interface ScopeMatch {
  readonly requirements: Requirements;
  /** For messages: `scope "…"` or `default`. */
  readonly scope: string;
}

const TRANSPORT = 'docker';

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

/** Where a tag and a digest come together, the digest names the image and the tag is a remark. */
function identityOf(reference: Reference): string {
  const named = withDefaultTag(reference);
  return formatReference(named.digest === undefined ? named : { ...named, tag: undefined });
}

/**
 * Scopes that may apply to an image from a registry, the most specific first.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#docker
 */
export function scopeCandidates(reference: Reference): readonly string[] {
  return [identityOf(reference), ...withParents(formatRepositoryName(reference)), ...wildcards(reference.domain), ''];
}

/** Exactly one list applies: that of the most specific scope, or the default of the policy. */
export function matchScope(policy: Policy, reference: Reference): ScopeMatch {
  const scopes = policy.transports.get(TRANSPORT);
  for (const candidate of scopeCandidates(reference)) {
    const requirements = scopes?.get(candidate);
    if (requirements !== undefined) return { requirements, scope: `scope "${candidate}"` };
  }
  return { requirements: policy.default, scope: 'default' };
}

/**
 * What the policy says of the tag of a reference that has a digest too. The tag grants nothing, so only a `reject` in
 * this list matters.
 */
export function matchTagScope(policy: Policy, reference: Reference): ScopeMatch | undefined {
  if (reference.tag === undefined || reference.digest === undefined) return undefined;
  const name = formatReference({ ...reference, digest: undefined });
  const requirements = policy.transports.get(TRANSPORT)?.get(name);
  return requirements === undefined ? undefined : { requirements, scope: `scope "${name}"` };
}
