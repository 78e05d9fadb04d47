import type { ImageReference } from '../oci/index.ts';
import { matchScope, matchTagScope } from './policy/index.ts';
import { finderOf, REQUIREMENT_KINDS, type RequirementKinds } from './requirement-kinds.ts';
import type { FindSignatures, PolicyChoice } from './types.ts';

/**
 * Returns what has to be run, before the image is judged, to find the signatures that its policy looks at. Empty when
 * no requirement looks at any, and when the policy rejects the image, whatever its signatures.
 */
export function signatureFinders(
  policy: PolicyChoice,
  reference: ImageReference,
  kinds: RequirementKinds = REQUIREMENT_KINDS,
): readonly FindSignatures[] {
  if (policy === undefined || policy === 'insecure-accept-anything') return [];
  const { requirements } = matchScope(policy, reference);
  const ofTag = matchTagScope(policy, reference)?.requirements ?? [];
  if ([...requirements, ...ofTag].some(({ type }) => type === 'reject')) return [];
  const finders = requirements.map((requirement) => finderOf(requirement, kinds)).filter((find) => find !== undefined);
  return [...new Set(finders)];
}

/** Returns a test for names under which a policy lets no image run without a signature. */
export function signatureTest(policy: PolicyChoice): (reference: ImageReference) => boolean {
  // All requirements of a list have to accept, so one that looks at signatures is enough.
  return (reference) => signatureFinders(policy, reference).length > 0;
}
