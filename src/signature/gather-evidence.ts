import { type KeptSignature, markKept, withoutCopies } from './kept-signatures.ts';
import type { RequirementKinds } from './requirement-kinds.ts';
import { joinEvidence, NO_EVIDENCE } from './search/evidence.ts';
import { SignatureBudget, type SignatureLimits } from './search/signature-budget.ts';
import { signatureFinders } from './signature-finders.ts';
import type { AttachmentLimits, Evidence, PolicyChoice, SignatureSearch } from './types.ts';

export interface GatheringOptions {
  readonly policy: PolicyChoice;
  readonly limits: SignatureLimits & AttachmentLimits;
  /** Reads what earlier pulls have kept of this image; called only when the policy looks at signatures. */
  readonly readKept?: (() => readonly KeptSignature[]) | undefined;
  /** Another table of requirements, for tests. */
  readonly kinds?: RequirementKinds;
}

/**
 * Looks for the signatures that a policy looks at, first among those that earlier pulls have kept, then at one location
 * after the other, and yields all that is known whenever there is a new signature, and at the end. The gate stops as soon
 * as it can accept the image, so that a location that is slow or down matters only when it might decide. Nothing is looked
 * for before the first value is asked for.
 */
export async function* gatherEvidence(
  search: Omit<SignatureSearch, 'budget' | 'limits'>,
  { policy, limits, kinds, readKept = () => [] }: GatheringOptions,
): AsyncGenerator<Evidence, void> {
  const budget = new SignatureBudget(limits);
  const finders = signatureFinders(policy, search.reference, kinds);
  let searches = finders.map((find) => find({ ...search, limits, budget })[Symbol.asyncIterator]());
  const kept = finders.length === 0 ? [] : markKept(readKept(), limits);
  let known: Evidence = { ...NO_EVIDENCE, signatures: kept };
  if (kept.length > 0) yield known;
  while (searches.length > 0) {
    const results = await budget.time(() => Promise.all(searches.map((each) => each.next())));
    searches = searches.filter((_, index) => results[index]?.done !== true);
    const found = joinEvidence(results.flatMap((result) => (result.done === true ? [] : [result.value])));
    const signatures = withoutCopies(found.signatures, kept);
    known = joinEvidence([known, { ...found, signatures }]);
    if (signatures.length > 0) yield known;
  }
  yield known;
}
