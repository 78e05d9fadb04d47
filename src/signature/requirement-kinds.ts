import { evaluateSignedBy } from './evaluate-signed-by.ts';
import type { Requirement, RequirementType } from './policy/index.ts';
import { findSimpleSignatures } from './search/find-simple-signatures.ts';
import type { EvaluationContext, FindSignatures, PolicyVerdict } from './types.ts';

/** How one kind of requirement is judged. */
export interface RequirementKind<Type extends RequirementType> {
  /** Finds the signatures that `evaluate` looks at. Absent: the requirement needs none. */
  readonly find?: FindSignatures;
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
    evaluate: evaluateSignedBy,
  },
  sigstoreSigned: {
    evaluate: async () => unsupported('requirement "sigstoreSigned" needs a Sigstore verifier'),
  },
};

function unsupported(reason: string): PolicyVerdict {
  return { kind: 'unsupported', reason };
}
