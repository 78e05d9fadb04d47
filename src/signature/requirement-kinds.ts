import { evaluateSignedBy, explainUnsupportedSignedBy } from './evaluate-signed-by.ts';
import { evaluateSigstoreSigned } from './evaluate-sigstore-signed.ts';
import type { Requirement, RequirementType } from './policy/index.ts';
import { findSigstoreSignatures } from './search/find-sigstore-signatures.ts';
import { findSimpleSignatures } from './search/find-simple-signatures.ts';
import type { EvaluationContext, FindSignatures, PolicyVerdict } from './types.ts';

/** How one kind of requirement is judged. */
export interface RequirementKind<Type extends RequirementType> {
  /** Finds the signatures that `evaluate` looks at. Absent: the requirement needs none. */
  readonly find?: FindSignatures;
  /**
   * Says what of a requirement this version cannot verify; undefined, or no function: it can. No signature is looked for
   * then, and the image is refused.
   */
  readonly explainUnsupported?: (requirement: Requirement<Type>) => string | undefined;
  readonly evaluate: (requirement: Requirement<Type>, context: EvaluationContext) => Promise<PolicyVerdict>;
}

export type RequirementKinds = { readonly [Type in RequirementType]: RequirementKind<Type> };

// docs/adr/0004-strict-policy.md: a requirement that this version cannot verify refuses the image.
export const REQUIREMENT_KINDS: RequirementKinds = {
  reject: {
    evaluate: async () => ({ kind: 'deny', reason: 'requirement "reject" lets no image run' }),
  },
  insecureAcceptAnything: {
    evaluate: async () => ({ kind: 'accept', basis: 'policy' }),
  },
  signedBy: {
    find: findSimpleSignatures,
    explainUnsupported: explainUnsupportedSignedBy,
    evaluate: evaluateSignedBy,
  },
  sigstoreSigned: {
    find: findSigstoreSignatures,
    evaluate: evaluateSigstoreSigned,
  },
};

/** Says what of a requirement this version cannot verify; undefined: nothing. */
export function unsupportedPart<Type extends RequirementType>(
  requirement: Requirement<Type>,
  kinds: RequirementKinds = REQUIREMENT_KINDS,
): string | undefined {
  return kinds[requirement.type].explainUnsupported?.(requirement);
}

/** Returns what looks for the signatures of a requirement; undefined if it needs none, or cannot be verified. */
export function finderOf<Type extends RequirementType>(
  requirement: Requirement<Type>,
  kinds: RequirementKinds,
): FindSignatures | undefined {
  return unsupportedPart(requirement, kinds) === undefined ? kinds[requirement.type].find : undefined;
}

export function evaluateRequirement<Type extends RequirementType>(
  requirement: Requirement<Type>,
  context: EvaluationContext,
  kinds: RequirementKinds,
): Promise<PolicyVerdict> {
  const reason = unsupportedPart(requirement, kinds);
  if (reason !== undefined) return Promise.resolve({ kind: 'unsupported', reason });
  return kinds[requirement.type].evaluate(requirement, context);
}
