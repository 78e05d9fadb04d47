import {
  type FileReference,
  formatReference,
  type ImageReference,
  isFileReference,
  referenceScopes,
} from '../../oci/index.ts';
import type { Policy, Requirements } from './types.ts';

/** The one list of requirements that applies, and the policy entry that it belongs to. */
export interface ScopeMatch {
  readonly requirements: Requirements;
  /** Shown in messages: `scope "…"` or `default`. */
  readonly scope: string;
}

const REGISTRY_TRANSPORT = 'docker';

function scopesFor(policy: Policy, reference: ImageReference): ReadonlyMap<string, Requirements> | undefined {
  return policy.transports.get(isFileReference(reference) ? reference.transport : REGISTRY_TRANSPORT);
}

/** `/a/b/c` → `/a/b/c`, `/a/b`, `/a`; the root stands for all, as `""` does. */
function withParentFolders(path: string): string[] {
  const paths = [path];
  for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) paths.push(path.slice(0, cut));
  return paths;
}

/** `/path:name`. containers/image has no such scope, since one image can be asked for with and without its name. */
function namedScope({ transport, path, selector }: FileReference): string | undefined {
  return transport !== 'docker-archive' && selector.kind === 'name' ? `${path}:${selector.name}` : undefined;
}

/** https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#oci and the two after it. */
function fileScopes(reference: FileReference): readonly string[] {
  if (reference.transport === 'docker-archive') return [''];
  // A pinned image is named by its digest; the name is only a remark.
  const named = reference.digest === undefined ? namedScope(reference) : undefined;
  return [...(named === undefined ? [] : [named]), ...withParentFolders(reference.path), ''];
}

/**
 * Returns the scopes that may apply to an image, the most specific first.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#docker
 */
export function scopeCandidates(reference: ImageReference): readonly string[] {
  if (isFileReference(reference)) return fileScopes(reference);
  return [...referenceScopes(reference), ''];
}

/** Returns the one list that applies: that of the most specific scope, or the default of the policy. */
export function matchScope(policy: Policy, reference: ImageReference): ScopeMatch {
  const scopes = scopesFor(policy, reference);
  for (const candidate of scopeCandidates(reference)) {
    const requirements = scopes?.get(candidate);
    if (requirements !== undefined) return { requirements, scope: `scope "${candidate}"` };
  }
  return { requirements: policy.default, scope: 'default' };
}

function tagScope(reference: ImageReference): string | undefined {
  if (isFileReference(reference)) return namedScope(reference);
  return reference.tag === undefined ? undefined : formatReference({ ...reference, digest: undefined });
}

/**
 * Returns what the policy says about the tag of a reference that also has a digest. The tag grants nothing, so only a
 * `reject` in this list matters.
 */
export function matchTagScope(policy: Policy, reference: ImageReference): ScopeMatch | undefined {
  if (reference.digest === undefined) return undefined;
  const name = tagScope(reference);
  const requirements = name === undefined ? undefined : scopesFor(policy, reference)?.get(name);
  return requirements === undefined ? undefined : { requirements, scope: `scope "${name}"` };
}
