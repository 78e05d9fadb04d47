import { type ErrorKind, redact } from '../errors/index.ts';
import type { GateReport } from './authorise-image.ts';
import { describeRequirement } from './describe-requirement.ts';
import type { JudgedRequirement } from './evaluate-requirements.ts';
import type { RequirementType } from './policy/index.ts';
import { COSIGN_SIGNATURE, isBundleType } from './search/read-signature-layers.ts';
import type { RefusalReason } from './signed-content/index.ts';
import type { JudgedSignature, PolicyVerdict, RawSignature, SignatureAuthor } from './types.ts';

/** What a signature is, by its media type. */
export type SignatureKind = 'simple-signing' | 'sigstore-payload' | 'sigstore-bundle' | 'other';

/** One signature, and what a requirement says of it. */
export interface ReportedSignature {
  readonly kind: SignatureKind;
  /** Where it was found. */
  readonly origin: string;
  readonly verdict: 'accepted' | 'refused' | 'not-checked';
  /** Why it was refused; undefined for other verdicts. */
  readonly reason: RefusalReason | undefined;
  readonly text: string | undefined;
  /** The member of the policy that would let the image run, if there is one. */
  readonly remedy: string | undefined;
  /** Undefined if no key of the requirement made it, or it was not checked. */
  readonly author: SignatureAuthor | undefined;
  /** The name of the image in an accepted signature; undefined if it names none. */
  readonly signedReference: string | undefined;
}

/** One requirement of the list that applies, and how it decided. */
export interface ReportedRequirement {
  readonly type: RequirementType;
  /** The members that say whose signatures it accepts, with their paths; empty: it looks at none. */
  readonly keys: string;
  /** `not-judged`: another requirement denied the image before. */
  readonly verdict: 'accepted' | 'denied' | 'unsupported' | 'not-judged';
  /** Undefined for an acceptance. */
  readonly reason: string | undefined;
  readonly signatures: readonly ReportedSignature[];
}

/** How a policy decided about one image, as plain data. */
export interface PolicyReport {
  /** The entry of the policy that applies: `scope "…"` or `default`. */
  readonly scope: string;
  readonly requirements: readonly ReportedRequirement[];
  /** Locations that could not be read, where further signatures may be. */
  readonly failures: readonly { readonly origin: string; readonly code: string; readonly message: string }[];
  /** Locations where no signature was found. */
  readonly remarks: readonly string[];
}

const VERDICTS = { accept: 'accepted', deny: 'denied', unsupported: 'unsupported' } as const;

/** Describes a judgement for people and scripts. Secrets in addresses are removed. */
export function describeJudgement({ scope, requirements, evidence }: GateReport): PolicyReport {
  return {
    scope,
    requirements: requirements.map(describeJudgedRequirement),
    failures: evidence.failures.map(({ origin, error: { code, message } }) => {
      return { origin: redact(origin), code, message };
    }),
    remarks: evidence.remarks.map(redact),
  };
}

function describeJudgedRequirement({ requirement, verdict }: JudgedRequirement): ReportedRequirement {
  return {
    type: requirement.type,
    keys: describeRequirement(requirement),
    verdict: verdict === undefined ? 'not-judged' : VERDICTS[verdict.kind],
    reason: verdict === undefined || verdict.kind === 'accept' ? undefined : redact(verdict.reason),
    signatures: judgedBy(verdict).map(describeSignature),
  };
}

function judgedBy(verdict: PolicyVerdict | undefined): readonly JudgedSignature[] {
  return verdict === undefined || verdict.kind === 'unsupported' ? [] : (verdict.judged ?? []);
}

function describeSignature({ signature, verdict }: JudgedSignature): ReportedSignature {
  const refused = verdict?.kind === 'refused' ? verdict : undefined;
  return {
    kind: kindOf(signature),
    origin: redact(signature.origin),
    verdict: verdict?.kind ?? 'not-checked',
    reason: refused?.reason,
    text: refused?.text,
    remedy: refused?.remedy,
    author: verdict?.signer,
    signedReference: verdict?.kind === 'accepted' ? verdict.signedReference : undefined,
  };
}

function kindOf({ mediaType }: RawSignature): SignatureKind {
  if (mediaType === '') return 'simple-signing';
  if (mediaType === COSIGN_SIGNATURE) return 'sigstore-payload';
  return isBundleType(mediaType) ? 'sigstore-bundle' : 'other';
}

/** The numbers of a judgement; each text is one of a known set, and none is of the image or its signatures. */
export interface VerdictSummary {
  readonly requirements: readonly { readonly type: RequirementType | 'none'; readonly result: VerdictResult }[];
  readonly signatures: readonly { readonly kind: SignatureKind; readonly result: SignatureResult }[];
}

/** `accepted`, or the kind of the error that refused the image. */
export type VerdictResult = 'accepted' | ErrorKind;
export type SignatureResult = 'accepted' | 'not-checked' | RefusalReason;

/**
 * Summarizes a judgement that ended with `result`. Without a report no list of requirements has decided. A requirement that
 * was not judged because another one decided does not count.
 */
export function summarizeJudgement(report: GateReport | undefined, result: VerdictResult): VerdictSummary {
  if (report === undefined) return { requirements: [{ type: 'none', result }], signatures: [] };
  const { requirements } = report;
  const isDecided = requirements.some(({ verdict }) => verdict !== undefined);
  return {
    requirements: requirements.flatMap(({ requirement: { type }, verdict }) => {
      if (verdict === undefined) return isDecided ? [] : [{ type, result }];
      if (verdict.kind === 'accept') return [{ type, result: 'accepted' as const }];
      return [{ type, result: verdict.kind === 'unsupported' ? ('unsupported' as const) : result }];
    }),
    signatures: requirements
      .flatMap(({ verdict }) => judgedBy(verdict))
      .map(({ signature, verdict }) => ({ kind: kindOf(signature), result: resultOf(verdict) })),
  };
}

function resultOf(verdict: JudgedSignature['verdict']): SignatureResult {
  if (verdict === undefined) return 'not-checked';
  return verdict.kind === 'accepted' ? 'accepted' : verdict.reason;
}
