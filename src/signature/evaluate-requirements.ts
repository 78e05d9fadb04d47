import type { Requirement, Requirements, RequirementType } from './policy/index.ts';
import type { RequirementKinds } from './requirement-kinds.ts';
import type { EvaluationContext, PolicyVerdict } from './types.ts';

/**
 * Judges a whole list: every requirement must accept. One denial decides, whatever else cannot be verified, and an empty
 * list accepts nothing. Requirements that need no signatures come first, since they are cheap; a denial there ends it.
 */
export async function evaluateRequirements(
  requirements: Requirements,
  context: EvaluationContext,
  kinds: RequirementKinds,
): Promise<PolicyVerdict> {
  const verdicts: PolicyVerdict[] = [];
  const needsSignatures = ({ type }: Requirement) => kinds[type].find !== undefined;
  for (const isCostly of [false, true]) {
    const group = requirements.filter((requirement) => needsSignatures(requirement) === isCostly);
    verdicts.push(...(await Promise.all(group.map((requirement) => evaluate(requirement, context, kinds)))));
    const denial = verdicts.find(({ kind }) => kind === 'deny');
    if (denial !== undefined) return denial;
  }
  return (
    verdicts.find(({ kind }) => kind === 'unsupported') ??
    // One verified signature is proof of the image, whatever else accepts it.
    verdicts.find((verdict) => verdict.kind === 'accept' && verdict.basis === 'signature') ??
    verdicts[0] ?? { kind: 'deny', reason: 'there is no requirement that could accept the image' }
  );
}

function evaluate<Type extends RequirementType>(
  requirement: Requirement<Type>,
  context: EvaluationContext,
  kinds: RequirementKinds,
): Promise<PolicyVerdict> {
  return kinds[requirement.type].evaluate(requirement, context);
}
