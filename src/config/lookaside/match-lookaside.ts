import { type Reference, referenceScopes } from '../../oci/index.ts';
import type { LookasideRules, LookasideSection } from './types.ts';

/**
 * Returns what holds for an image: for each key the section with the most specific name that has it, else the default.
 * https://github.com/containers/image/blob/v5.36.2/docker/registries_d.go
 */
export function matchLookaside({ sections, defaultSection }: LookasideRules, reference: Reference): LookasideSection {
  const scopes = referenceScopes(reference).map((scope) => sections.get(scope));
  const found = [...scopes, defaultSection].filter((section) => section !== undefined);
  return {
    lookaside: found.find(({ lookaside }) => lookaside !== undefined)?.lookaside,
    useSigstoreAttachments: found.find(({ useSigstoreAttachments }) => useSigstoreAttachments !== undefined)
      ?.useSigstoreAttachments,
  };
}
