import type { RequirementKinds } from './requirement-kinds.ts';
import { joinEvidence, NO_EVIDENCE } from './search/evidence.ts';
import { SignatureBudget, type SignatureLimits } from './search/signature-budget.ts';
import { signatureFinders } from './signature-finders.ts';
import type { AttachmentLimits, Evidence, PolicyChoice, SignatureSearch } from './types.ts';

export interface GatheringOptions {
  readonly policy: PolicyChoice;
  readonly limits: SignatureLimits & AttachmentLimits;
  /** Another table of requirements, for tests. */
  readonly kinds?: RequirementKinds;
}

/**
 * Looks for the signatures that a policy looks at, at one location after the other, and yields all that is known whenever
 * there is a new signature, and at the end. The gate stops as soon as it can accept the image, so that a location that
 * is slow or down matters only when it might decide. Nothing is looked for before the first value is asked for.
 */
export async function* gatherEvidence(
  search: Omit<SignatureSearch, 'budget' | 'limits'>,
  { policy, limits, kinds }: GatheringOptions,
): AsyncGenerator<Evidence, void> {
  const budget = new SignatureBudget(limits);
  const finders = signatureFinders(policy, search.reference, kinds);
  let searches = finders.map((find) => find({ ...search, limits, budget })[Symbol.asyncIterator]());
  let known = NO_EVIDENCE;
  while (searches.length > 0) {
    const results = await Promise.all(searches.map((each) => each.next()));
    searches = searches.filter((_, index) => results[index]?.done !== true);
    const found = joinEvidence(results.flatMap((result) => (result.done === true ? [] : [result.value])));
    known = joinEvidence([known, found]);
    if (found.signatures.length > 0) yield known;
  }
  yield known;
}
