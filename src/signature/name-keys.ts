import { formatReference, type ImageReference, isFileReference, withDefaultTag } from '../oci/index.ts';
import { locateResource, nameResource } from '../resources/index.ts';
import type { KeySource } from './policy/index.ts';
import type { RawKeyRing, SignedContentCheck } from './signed-content/index.ts';

/** True for keys that the policy names, and does not hold itself. */
export function isPath({ kind }: KeySource): boolean {
  return kind === 'path' || kind === 'paths';
}

/** Returns a path or URI as the policy has it, except for a sealed secret, which is shown nowhere. */
function nameOf(path: string): string {
  return locateResource(path).kind === 'sealed' ? nameResource(path) : path;
}

/** Returns the member of the policy: `keyPaths`. `prefix` is the beginning of its name. */
export function nameMember(prefix: string, { kind }: KeySource): string {
  return `${prefix}${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
}

/** Returns the member of the policy, and the paths in it: `keyPaths /a, /b`. `prefix` is that of the member's name. */
export function describeKeys(prefix: string, source: KeySource): string {
  const member = nameMember(prefix, source);
  return isPath(source) ? `${member} ${source.values.map(nameOf).join(', ')}` : member;
}

/** Names what was loaded for a source, for messages. */
export function nameKeys(prefix: string, source: KeySource, loaded: readonly Uint8Array[]): readonly RawKeyRing[] {
  return loaded.map((rawBytes, position) => {
    return {
      name: isPath(source) ? nameOf(source.values[position] ?? 'key') : `in ${describeKeys(prefix, source)}`,
      rawBytes,
    };
  });
}

/**
 * Returns the name that a signature has to be for. The tag of a reference that also has a digest is a remark, as in
 * scopes. Files have no name in a registry.
 */
export function identityOf(reference: ImageReference): SignedContentCheck['imageReference'] {
  if (isFileReference(reference)) return undefined;
  const { digest } = reference;
  return formatReference(digest === undefined ? withDefaultTag(reference) : { ...reference, tag: undefined });
}
