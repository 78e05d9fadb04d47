import type { Requirements } from './policy/index.ts';
import { evaluateRequirement, finderOf, type RequirementKinds } from './requirement-kinds.ts';
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
  for (const isCostly of [false, true]) {
    const group = requirements.filter((requirement) => (finderOf(requirement, kinds) !== undefined) === isCostly);
    verdicts.push(...(await Promise.all(group.map((requirement) => evaluateRequirement(requirement, context, kinds)))));
    const denial = verdicts.find(({ kind }) => kind === 'deny');
    if (denial !== undefined) return denial;
  }
  return verdicts.find(({ kind }) => kind === 'unsupported') ?? acceptAll(verdicts);
}

function acceptAll(verdicts: readonly PolicyVerdict[]): PolicyVerdict {
  const accepted = verdicts.filter((verdict) => verdict.kind === 'accept');
  if (accepted.length === 0) {
    return { kind: 'deny', reason: 'there is no requirement that could accept the image' };
  }
  // One verified signature is proof of the image, whatever else accepts it.
  const basis = accepted.some((verdict) => verdict.basis === 'signature') ? 'signature' : 'policy';
  const signers = accepted.flatMap((verdict) => verdict.signers ?? []);
  return { kind: 'accept', basis, signers, satisfying: accepted.flatMap(({ satisfying = [] }) => satisfying) };
}
