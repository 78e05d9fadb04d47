import { SealiftError } from '../errors/index.ts';
import {
  type Digest,
  formatImageReference,
  type ImageManifest,
  type ImageReference,
  type ManifestLimits,
} from '../oci/index.ts';
import { evaluateRequirements } from './evaluate-requirements.ts';
import { matchScope, matchTagScope, type Policy, type ScopeMatch } from './policy/index.ts';
import type { AuthorizationBasis, ImageCandidate, PolicyChoice, VerifiedImage } from './types.ts';
import { verifyDocuments } from './verify-documents.ts';

const PERMIT: unique symbol = Symbol('permit');

/**
 * The proof that an image may run. Only {@link authoriseImage} makes one, since the permit never leaves this module;
 * the class is exported as a type only.
 */
export class AuthorizedImage {
  readonly #image: VerifiedImage;
  readonly #basis: AuthorizationBasis;

  constructor(permit: typeof PERMIT, image: VerifiedImage, basis: AuthorizationBasis) {
    if (permit !== PERMIT) throw new SealiftError('INTERNAL', 'authorise image: made without a verdict');
    this.#image = image;
    this.#basis = basis;
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

  static isAuthorized(value: unknown): value is AuthorizedImage {
    return typeof value === 'object' && value !== null && #basis in value;
  }
}

/** For the stages that act on an image: throws `INTERNAL` unless {@link authoriseImage} made the value. */
export function assertAuthorized(value: unknown): asserts value is AuthorizedImage {
  if (!AuthorizedImage.isAuthorized(value)) {
    throw new SealiftError('INTERNAL', 'layers were asked for without an authorised image');
  }
}

function deny(reference: ImageReference, scope: string, reason: string): never {
  throw new SealiftError('POLICY_DENIED', `authorise ${formatImageReference(reference)}: policy, ${scope}: ${reason}`, {
    context: { reference: formatImageReference(reference), scope },
  });
}

async function judge(image: VerifiedImage, { requirements, scope }: ScopeMatch): Promise<void> {
  const verdict = await evaluateRequirements(requirements);
  if (verdict.kind === 'deny') deny(image.reference, scope, verdict.reason);
  if (verdict.kind === 'unsupported') {
    const name = formatImageReference(image.reference);
    throw new SealiftError('POLICY_REQUIREMENT_UNSUPPORTED', `authorise ${name}: policy, ${scope}: ${verdict.reason}`, {
      context: { reference: name, scope },
    });
  }
}

async function judgeByPolicy(policy: Policy, image: VerifiedImage): Promise<void> {
  const tag = matchTagScope(policy, image.reference);
  if (tag?.requirements.some(({ type }) => type === 'reject')) {
    deny(image.reference, tag.scope, 'the tag is rejected, with a digest too');
  }
  await judge(image, matchScope(policy, image.reference));
}

async function findBasis(policy: PolicyChoice, image: VerifiedImage): Promise<AuthorizationBasis> {
  if (policy === 'insecure-accept-anything') return 'insecure-policy';
  if (policy !== undefined) {
    await judgeByPolicy(policy, image);
    return 'policy';
  }
  if (image.reference.digest !== undefined) return 'digest-pin';
  const name = formatImageReference(image.reference);
  throw new SealiftError(
    'POLICY_TAG_UNPINNED',
    `authorise ${name}: expected a policy or a digest in the reference, got neither`,
    { context: { reference: name, actual: image.indexDigest ?? image.manifestDigest } },
  );
}

/**
 * The gate: may this image run? Hashes and links the documents itself, then asks the policy under the logical name.
 * Throws `MANIFEST_*`, `POLICY_DENIED`, `POLICY_TAG_UNPINNED`, `POLICY_REQUIREMENT_UNSUPPORTED`; a denial is final.
 */
export async function authoriseImage(
  policy: PolicyChoice,
  candidate: ImageCandidate,
  limits?: ManifestLimits,
): Promise<AuthorizedImage> {
  const image = verifyDocuments(candidate, limits);
  return new AuthorizedImage(PERMIT, image, await findBasis(policy, image));
}
