import { SealiftError } from '../errors/index.ts';
import {
  type Digest,
  formatImageReference,
  type ImageManifest,
  type ImageReference,
  type ManifestLimits,
} from '../oci/index.ts';
import { evaluateRequirements, type JudgedList, type JudgedRequirement } from './evaluate-requirements.ts';
import { EvaluationMemo } from './evaluation-memo.ts';
import { imageProof } from './image-proof.ts';
import { matchScope, matchTagScope, type Policy, type Requirements, type ScopeMatch } from './policy/index.ts';
import { REQUIREMENT_KINDS, type RequirementKinds } from './requirement-kinds.ts';
import { NO_EVIDENCE } from './search/evidence.ts';
import type {
  AuthorizationBasis,
  EvaluationContext,
  Evidence,
  ImageCandidate,
  ImageProof,
  ImageSigner,
  PolicyChoice,
  RawSignature,
  VerifiedImage,
} from './types.ts';
import { verifyDocuments } from './verify-documents.ts';

const PERMIT: unique symbol = Symbol('permit');

/** What the gate judges with, apart from policy and image. */
export interface GateOptions extends Omit<EvaluationContext, 'image' | 'evidence' | 'memo'> {
  /** All that is known of the image's signatures, more of it each time. It is read until the image is accepted. */
  readonly evidence: AsyncIterable<Evidence> | Iterable<Evidence>;
  readonly limits?: ManifestLimits | undefined;
  /** Another table of requirements, for tests. */
  readonly kinds?: RequirementKinds;
  /** Called once when a list of requirements has decided, before the image is accepted or the refusal is thrown. */
  readonly onJudged?: ((report: GateReport) => void) | undefined;
}

/** How a list of requirements decided about one image. */
export interface GateReport {
  /** The entry of the policy that applies: `scope "…"` or `default`. */
  readonly scope: string;
  /** Each requirement of that entry, in its order. */
  readonly requirements: readonly JudgedRequirement[];
  /** All that was known of the image's signatures. */
  readonly evidence: Evidence;
}

/** Why an image may run, and whose signatures were verified. */
interface Acceptance {
  readonly basis: AuthorizationBasis;
  readonly signers: readonly ImageSigner[];
  readonly satisfying: readonly RawSignature[];
}

// docs/adr/0005-authorized-image.md
/**
 * The proof that an image may run. Only {@link authoriseImage} makes one, since the permit never leaves this module;
 * the class is exported as a type only.
 */
export class AuthorizedImage {
  readonly #image: VerifiedImage;
  readonly #basis: AuthorizationBasis;
  readonly #signers: readonly ImageSigner[];
  readonly #signatures: readonly RawSignature[];

  constructor(permit: typeof PERMIT, image: VerifiedImage, { basis, signers, satisfying }: Acceptance) {
    if (permit !== PERMIT) throw new SealiftError('INTERNAL', 'authorise image: made without a verdict');
    this.#image = image;
    this.#basis = basis;
    this.#signers = Object.freeze(signers.map((signer) => Object.freeze({ ...signer })));
    this.#signatures = Object.freeze([...new Set(satisfying)]);
    Object.freeze(this);
  }

  /** The logical name: what the user wrote. */
  get reference(): ImageReference {
    return this.#image.reference;
  }
  get manifest(): ImageManifest {
    return this.#image.manifest;
  }
  get manifestDigest(): Digest {
    return this.#image.manifestDigest;
  }
  /** The bytes that `manifestDigest` names; a copy each time. */
  get rawManifest(): Uint8Array {
    return Uint8Array.from(this.#image.rawManifest);
  }
  get indexDigest(): Digest | undefined {
    return this.#image.indexDigest;
  }
  get basis(): AuthorizationBasis {
    return this.#basis;
  }
  /** The authors of the signatures that the policy asked for, one for each requirement. */
  get signers(): readonly ImageSigner[] {
    return this.#signers;
  }
  /** What satisfied the policy, as it was found, so that it can be verified again at another pull. */
  get signatures(): readonly RawSignature[] {
    return this.#signatures;
  }
  /** What vouches for the image's bytes, and so for what may be left to an unmeasured transport. */
  get proof(): ImageProof {
    return imageProof(this.#basis, this.#image.reference);
  }

  static isAuthorized(value: unknown): value is AuthorizedImage {
    return typeof value === 'object' && value !== null && #basis in value;
  }
}

/** Throws `INTERNAL` unless {@link authoriseImage} made the value; for the stages that act on an image. */
export function assertAuthorized(value: unknown): asserts value is AuthorizedImage {
  if (!AuthorizedImage.isAuthorized(value)) {
    throw new SealiftError('INTERNAL', 'layers were asked for without an authorised image');
  }
}

interface Denial {
  readonly scope: string;
  readonly reason: string;
  readonly remedy?: string | undefined;
}

function deny(reference: ImageReference, { scope, reason, remedy }: Denial): never {
  throw new SealiftError('POLICY_DENIED', `authorise ${formatImageReference(reference)}: policy, ${scope}: ${reason}`, {
    context: { reference: formatImageReference(reference), scope },
    ...(remedy === undefined ? {} : { hint: remedy }),
  });
}

/** What a policy judges: the image with its evidence, by a table of requirements. */
interface Judged extends Omit<GateOptions, 'limits'> {
  readonly image: VerifiedImage;
  readonly memo: EvaluationMemo;
  readonly kinds: RequirementKinds;
}

async function judge(judged: Judged, { requirements, scope }: ScopeMatch): Promise<Acceptance> {
  const { reference } = judged.image;
  const judgement = await evaluateUntilAccepted(requirements, judged).catch((error: unknown) => {
    const unjudged = requirements.map((requirement) => ({ requirement, verdict: undefined }));
    judged.onJudged?.({ scope, requirements: unjudged, evidence: NO_EVIDENCE });
    throw error;
  });
  const { verdict, evidence } = judgement;
  judged.onJudged?.({ scope, requirements: judgement.requirements, evidence });
  switch (verdict.kind) {
    case 'accept':
      return { basis: verdict.basis, signers: verdict.signers ?? [], satisfying: verdict.satisfying ?? [] };
    case 'deny': {
      const doubt = { reference, scope, reason: verdict.reason };
      assertSearched(evidence, doubt);
      if (verdict.isUncertain === true) throw unchecked(doubt);
      const reason = [verdict.reason, ...remarksOf(evidence)].join('; ');
      return deny(reference, { scope, reason, remedy: verdict.remedy });
    }
    case 'unsupported': {
      const name = formatImageReference(reference);
      const message = `authorise ${name}: policy, ${scope}: ${verdict.reason}`;
      throw new SealiftError('POLICY_REQUIREMENT_UNSUPPORTED', message, { context: { reference: name, scope } });
    }
  }
}

interface Judgement extends JudgedList {
  /** All that was known when the verdict was given. */
  readonly evidence: Evidence;
}

/** Judges whenever there are new signatures, until the image is accepted or there is nothing more to find. */
async function evaluateUntilAccepted(requirements: Requirements, judged: Judged): Promise<Judgement> {
  const { kinds } = judged;
  let last: Judgement | undefined;
  for await (const evidence of judged.evidence) {
    const isNew = last === undefined || evidence.signatures.length > last.evidence.signatures.length;
    const list =
      last === undefined || isNew ? await evaluateRequirements(requirements, { ...judged, evidence }, kinds) : last;
    last = { ...list, evidence };
    if (last.verdict.kind !== 'deny') return last;
  }
  if (last === undefined) throw new SealiftError('INTERNAL', 'authorise image: expected evidence, got none');
  return last;
}

/** What to say of a search that found nothing; the reason of the verdict names each signature that there is. */
function remarksOf({ signatures, remarks }: Evidence): readonly string[] {
  return signatures.every(({ isKept }) => isKept === true) ? remarks : [];
}

interface Doubt {
  readonly reference: ImageReference;
  readonly scope: string;
  /** Why the signatures that were found do not satisfy the policy. */
  readonly reason: string;
}

/**
 * A location that could not be read may have the good signature, so an image that is denied without it is not known to
 * be unsigned. Throws `SIGNATURE_UNAVAILABLE`, or `SIGNATURE_LIMIT_EXCEEDED` when limits alone ended the search.
 */
function assertSearched({ failures }: Evidence, { reference, scope, reason }: Doubt): void {
  const [first] = failures;
  if (first === undefined) return;
  const name = formatImageReference(reference);
  const isLimit = failures.every(({ error }) => error.code === 'SIGNATURE_LIMIT_EXCEEDED');
  const listed = describeFailures(failures);
  const message = `authorise ${name}: policy, ${scope}: ${reason}; signatures could not be looked for everywhere: ${listed}`;
  throw new SealiftError(isLimit ? 'SIGNATURE_LIMIT_EXCEEDED' : 'SIGNATURE_UNAVAILABLE', message, {
    context: { reference: name, scope, origin: first.origin, ...(isLimit ? first.error.context : {}) },
    cause: new AggregateError(
      failures.map(({ error }) => error),
      'every failed search for signatures',
    ),
  });
}

/** How many failures of a search a message lists. */
const MAX_LISTED = 4;

/** Names the first failures and the last one, which may have ended the search. */
function describeFailures(failures: Evidence['failures']): string {
  const texts = failures.map(({ origin, error }) => `${origin}: ${error.code}: ${error.message}`);
  if (texts.length <= MAX_LISTED) return texts.join('; ');
  const others = `${texts.length - MAX_LISTED} more`;
  return [...texts.slice(0, MAX_LISTED - 1), others, ...texts.slice(-1)].join('; ');
}

/** A check that hangs or crashes says nothing about its signature, so the image is not known to lack a good one. */
function unchecked({ reference, scope, reason }: Doubt): SealiftError {
  const name = formatImageReference(reference);
  const message = `authorise ${name}: policy, ${scope}: ${reason}; not every signature could be checked`;
  return new SealiftError('SIGNATURE_UNAVAILABLE', message, {
    context: { reference: name, scope },
    hint: 'pull again when the machine is less busy, or raise pull.limits.signature_check_ms and image_signature_check_ms; remove signatures that hang from their store',
  });
}

function rejectedTag({ scope, requirements }: ScopeMatch): Omit<GateReport, 'evidence'> {
  const rejected = { kind: 'deny', reason: 'the tag is rejected' } as const;
  const judged = requirements.map((requirement) => {
    return { requirement, verdict: requirement.type === 'reject' ? rejected : undefined };
  });
  return { scope, requirements: judged };
}

async function judgeByPolicy(policy: Policy, judged: Judged): Promise<Acceptance> {
  const { reference } = judged.image;
  const tag = matchTagScope(policy, reference);
  if (tag?.requirements.some(({ type }) => type === 'reject')) {
    judged.onJudged?.({ ...rejectedTag(tag), evidence: NO_EVIDENCE });
    deny(reference, { scope: tag.scope, reason: 'the tag is rejected, also in a reference with a digest' });
  }
  return judge(judged, matchScope(policy, reference));
}

async function decide(policy: PolicyChoice, judged: Judged): Promise<Acceptance> {
  if (policy === 'insecure-accept-anything') return { basis: 'insecure-policy', signers: [], satisfying: [] };
  if (policy !== undefined) return judgeByPolicy(policy, judged);
  const { reference, indexDigest, manifestDigest } = judged.image;
  if (reference.digest !== undefined) return { basis: 'digest-pin', signers: [], satisfying: [] };
  const name = formatImageReference(reference);
  throw new SealiftError(
    'POLICY_TAG_UNPINNED',
    `authorise ${name}: expected a policy or a digest in the reference, got neither`,
    { context: { reference: name, actual: indexDigest ?? manifestDigest } },
  );
}

/**
 * The gate: may this image run? Hashes and links the documents itself, then asks the policy under the logical name.
 * Throws `MANIFEST_*`, `POLICY_DENIED`, `POLICY_TAG_UNPINNED`, `POLICY_REQUIREMENT_UNSUPPORTED`, `SIGNATURE_*`; a denial
 * is final.
 */
export async function authoriseImage(
  policy: PolicyChoice,
  candidate: ImageCandidate,
  { limits, kinds = REQUIREMENT_KINDS, ...context }: GateOptions,
): Promise<AuthorizedImage> {
  const image = verifyDocuments(candidate, limits);
  const acceptance = await decide(policy, { ...context, image, kinds, memo: new EvaluationMemo() });
  return new AuthorizedImage(PERMIT, image, acceptance);
}
