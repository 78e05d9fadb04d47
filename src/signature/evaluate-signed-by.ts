import { acceptOneSignature, mapSigner } from './accept-one-signature.ts';
import { nameRequirement } from './describe-requirement.ts';
import { identityOf, nameKeys } from './name-keys.ts';
import type { Requirement } from './policy/index.ts';
import type { SignatureVerdict } from './signed-content/index.ts';
import type { EvaluationContext, PolicyVerdict, RawSignature, SignatureAuthor } from './types.ts';

const HOW_TO_SIGN =
  'sign the image with one of these keys (skopeo copy --sign-by, podman push --sign-by) and put the signature where registries.d (the daemon: image.sigstore_config) says that it is; docs/policy.md has the steps';

/**
 * Accepts an image if one simple signature satisfies the requirement in all respects at once: made by one of its keys,
 * for this image, under a name that `signedIdentity` accepts. Throws `POLICY_INVALID` for keys that cannot be read.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#signedby
 */
export async function evaluateSignedBy(
  requirement: Requirement<'signedBy'>,
  context: EvaluationContext,
): Promise<PolicyVerdict> {
  return acceptOneSignature({
    requirement: nameRequirement(requirement),
    // Signatures with a media type are attachments of Sigstore.
    signatures: context.evidence.signatures.filter(({ mediaType }) => mediaType === ''),
    judge: (signature) => judge(signature, requirement, context),
    howToSign: HOW_TO_SIGN,
    examinesAll: context.examinesAll,
  });
}

export function explainUnsupportedSignedBy(requirement: Requirement<'signedBy'>): string | undefined {
  const { keyType } = requirement;
  if (keyType === 'GPGKeys') return undefined;
  return `${nameRequirement(requirement)}: keyType "${keyType}" is implemented by no tool; expected "GPGKeys"`;
}

async function judge(
  signature: RawSignature,
  requirement: Requirement<'signedBy'>,
  { image, keys, memo, verifier, signal }: EvaluationContext,
): Promise<SignatureVerdict<SignatureAuthor>> {
  return memo.once(requirement, signature, async () => {
    const keyRings = await memo.once(requirement, keys, async () =>
      nameKeys('key', requirement.keys, await keys.load(requirement.keys, signal)),
    );
    const check = {
      rawSignature: signature.rawBytes,
      keyRings,
      identity: requirement.signedIdentity,
      imageReference: identityOf(image.reference),
      digests: image.digests,
    };
    const verdict = await verifier.verifySimpleSignature(check, signal);
    return mapSigner(verdict, (signer) => ({ kind: 'openpgp', ...signer }));
  });
}
