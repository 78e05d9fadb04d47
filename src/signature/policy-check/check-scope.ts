import { FILE_TRANSPORTS, formatReference, parseReference, type Reference, withDefaultTag } from '../../oci/index.ts';
import { isKnownTransport, scopeCandidates } from '../policy/index.ts';
import type { ListPosition } from './check-requirement.ts';
import type { Finding } from './types.ts';

/**
 * Checks the scope of a list. Paths are checked when the policy is parsed; names of registries are not, since a scope that
 * no image can have is no error for any tool.
 */
export function checkScope({ transport, scope, where }: ListPosition): readonly Finding[] {
  if (transport !== 'docker' || scope === '' || namesImages(scope)) return [];
  const expanded = expand(scope);
  const remedy = expanded === undefined ? undefined : `write "${expanded}"`;
  const detail = `no image can have the scope "${scope}": ${explain(scope)}`;
  return [{ status: 'fail', check: 'scope', where, detail, remedy }];
}

/** Checks the name of a transport; its scopes never apply to an image of Sealift unless it is one of four. */
export function checkTransport(transport: string): readonly Finding[] {
  const where = `transports.${transport}`;
  if (transport === 'docker' || FILE_TRANSPORTS.some((each) => each === transport)) return [];
  if (isKnownTransport(transport)) {
    const detail = `Sealift has no images of the transport "${transport}"; other tools do`;
    return [{ status: 'note', check: 'scope', where, detail, remedy: undefined }];
  }
  const detail = `no tool has the transport "${transport}", so its scopes never apply`;
  return [{ status: 'fail', check: 'scope', where, detail, remedy: 'write "docker" for images of registries' }];
}

/** True if some image has this scope: one that is built from it, since each kind of scope begins or ends its names. */
function namesImages(scope: string): boolean {
  const witnesses = scope.startsWith('*.') ? [`x${scope.slice(1)}/x`] : [scope, `${scope}/x`];
  return witnesses.some((text) => {
    const reference = parseIfValid(text);
    return reference !== undefined && scopeCandidates(withDefaultTag(reference)).includes(scope);
  });
}

function explain(scope: string): string {
  if (scope.includes('*')) return 'a wildcard is "*." at the beginning, and a domain without port and path';
  const reference = parseIfValid(scope);
  if (reference === undefined) return 'it is no host, namespace, repository or image';
  if (reference.tag !== undefined && reference.digest !== undefined) {
    return 'an image that is named by tag and digest is judged by its digest';
  }
  return 'names are compared fully expanded';
}

/** Returns the scope that was probably meant; undefined: it cannot be guessed. */
function expand(scope: string): string | undefined {
  // A scope is a name without a scheme, and covers what is below it without a wildcard.
  const bare = scope.replace(/^(?:docker|https?):\/\//, '').replace(/\/\*?$/, '');
  if (bare !== scope) return namesImages(bare) ? bare : expand(bare);
  const reference = parseIfValid(scope);
  if (reference === undefined) return undefined;
  const { tag, digest } = reference;
  const expanded = formatReference({ ...reference, tag: digest === undefined ? tag : undefined });
  return expanded !== scope && namesImages(expanded) ? expanded : undefined;
}

function parseIfValid(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}
