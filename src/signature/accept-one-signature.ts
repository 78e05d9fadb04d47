import type { RefusalReason, SignatureVerdict } from './signed-content/index.ts';
import type { EvaluationContext, JudgedSignature, PolicyVerdict, RawSignature, SignatureAuthor } from './types.ts';

/** Checks that hang or crash cost a thread each; after so many of them the other signatures are not looked at. */
const MAX_FAILED_CHECKS = 3;
/** How many signatures a denial lists. */
const MAX_LISTED = 10;

/** The signatures that a requirement looks at, and how it judges one of them. */
export interface SignatureSelection {
  /** Names the requirement in messages. */
  readonly requirement: string;
  readonly signatures: readonly RawSignature[];
  readonly judge: (signature: RawSignature) => Promise<SignatureVerdict<SignatureAuthor>>;
  /** What to do when there is no signature. */
  readonly howToSign: string;
  readonly examinesAll: EvaluationContext['examinesAll'];
}

type AcceptedSignature = Extract<SignatureVerdict<SignatureAuthor>, { kind: 'accepted' }>;

/** Accepts an image if one signature satisfies a requirement in all respects at once, and else says of each why not. */
export async function acceptOneSignature(selection: SignatureSelection): Promise<PolicyVerdict> {
  const { requirement, signatures, judge, howToSign, examinesAll = false } = selection;
  if (signatures.length === 0) {
    return { kind: 'deny', reason: `${requirement}: no signature was found`, remedy: howToSign };
  }
  const judged: JudgedSignature[] = [];
  let accepted: { readonly verdict: AcceptedSignature; readonly signature: RawSignature } | undefined;
  let failedChecks = 0;
  for (const signature of signatures) {
    const isJudged = failedChecks < MAX_FAILED_CHECKS && (accepted === undefined || examinesAll);
    const verdict = isJudged ? await judge(signature) : undefined;
    if (verdict?.kind === 'accepted') accepted ??= { verdict, signature };
    if (verdict?.kind === 'refused' && verdict.reason === 'check-failed') failedChecks += 1;
    judged.push({ signature, verdict });
  }
  if (accepted !== undefined) {
    const { verdict, signature } = accepted;
    const { origin, isKept } = signature;
    const kept = isKept === true ? { isKept } : {};
    const signers = [{ ...verdict.signer, signedReference: verdict.signedReference, origin, ...kept }];
    return { kind: 'accept', basis: 'signature', signers, satisfying: [signature], judged };
  }
  const reason = `${requirement}: ${describeRefusals(judged)}`;
  return { kind: 'deny', reason, remedy: remedyFor(judged), isUncertain: failedChecks > 0, judged };
}

function describeRefusals(judged: readonly JudgedSignature[]): string {
  const listed = judged.slice(0, MAX_LISTED).map(describeRefusal);
  const others = judged.length - listed.length;
  const count = judged.length === 1 ? 'the signature does not count' : `none of ${judged.length} signatures counts`;
  return `${count}: ${listed.join('; ')}${others > 0 ? `; and ${others} more` : ''}`;
}

function describeRefusal({ signature, verdict }: JudgedSignature): string {
  const origin = signature.isKept === true ? `${signature.origin} (kept by an earlier pull)` : signature.origin;
  if (verdict === undefined) return `${origin}: not checked, since ${MAX_FAILED_CHECKS} checks before it failed`;
  if (verdict.kind === 'accepted') return `${origin}: accepted`;
  return `${origin}: ${verdict.text}${verdict.remedy === undefined ? '' : ` (${verdict.remedy})`}`;
}

const SIGN_AGAIN =
  'a denial is final; docs/policy.md says for each of these reasons how to sign the image again, or what to change in the policy';

/** Reasons to refuse a signature although a key of the requirement made it. */
const AUTHENTIC: ReadonlySet<RefusalReason> = new Set<RefusalReason>(['identity', 'predicate', 'log']);

/** The signature of a known author is nearer to what the policy wants than those of others. */
function remedyFor(judged: readonly JudgedSignature[]): string {
  const refused = judged.flatMap(({ verdict }) => (verdict?.kind === 'refused' ? [verdict] : []));
  const remedied = refused.filter(({ remedy }) => remedy !== undefined);
  return (remedied.find(({ reason }) => AUTHENTIC.has(reason)) ?? remedied[0])?.remedy ?? SIGN_AGAIN;
}

/** Returns the same verdict with another description of the signer. */
export function mapSigner<From, To>(
  verdict: SignatureVerdict<From>,
  describe: (signer: From) => To,
): SignatureVerdict<To> {
  if (verdict.kind === 'accepted') return { ...verdict, signer: describe(verdict.signer) };
  const { signer, ...refused } = verdict;
  return signer === undefined ? refused : { ...refused, signer: describe(signer) };
}
