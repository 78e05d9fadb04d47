import type { Requirement, Requirements } from './policy/index.ts';
import { evaluateRequirement, finderOf, type RequirementKinds } from './requirement-kinds.ts';
import type { EvaluationContext, PolicyVerdict } from './types.ts';

export interface JudgedRequirement {
  readonly requirement: Requirement;
  /** Undefined: it was not judged, because another one denied the image or keys could not be read. */
  readonly verdict: PolicyVerdict | undefined;
}

export interface JudgedList {
  readonly verdict: PolicyVerdict;
  /** Each requirement of the list, in its order. */
  readonly requirements: readonly JudgedRequirement[];
}

/**
 * Judges a whole list: every requirement must accept. One denial decides, whatever else cannot be verified, and an empty
 * list accepts nothing. Requirements that need no signatures come first, since they are cheap; a denial there ends it.
 */
export async function evaluateRequirements(
  requirements: Requirements,
  context: EvaluationContext,
  kinds: RequirementKinds,
): Promise<JudgedList> {
  const verdicts = new Map<Requirement, PolicyVerdict>();
  const listed = (): readonly JudgedRequirement[] =>
    requirements.map((requirement) => ({ requirement, verdict: verdicts.get(requirement) }));
  for (const isCostly of [false, true]) {
    const group = requirements.filter((requirement) => (finderOf(requirement, kinds) !== undefined) === isCostly);
    const judged = await Promise.all(group.map((requirement) => evaluateRequirement(requirement, context, kinds)));
    for (const [position, requirement] of group.entries()) {
      const verdict = judged[position];
      if (verdict !== undefined) verdicts.set(requirement, verdict);
    }
    const denial = judged.find(({ kind }) => kind === 'deny');
    if (denial !== undefined) return { verdict: denial, requirements: listed() };
  }
  const all = [...verdicts.values()];
  const verdict = all.find(({ kind }) => kind === 'unsupported') ?? acceptAll(all);
  return { verdict, requirements: listed() };
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
