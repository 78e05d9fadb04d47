import { SealiftError } from '../errors/index.ts';
import { acceptOneSignature } from './accept-one-signature.ts';
import { describeKeys, identityOf, nameKeys } from './name-keys.ts';
import type { KeySource, Requirement } from './policy/index.ts';
import type { SignatureVerdict } from './signed-content/index.ts';
import type { EvaluationContext, PolicyVerdict, RawSignature, SignatureAuthor } from './types.ts';

const HOW_TO_SIGN =
  'sign the image with one of these keys (cosign sign --key) in the registry that it comes from; docs/policy.md has the steps';

/**
 * Accepts an image if one attachment of Sigstore satisfies the requirement in all respects at once: made by one of its
 * keys, seen by one of its logs if it names any, for this image, under a name that `signedIdentity` accepts. Throws
 * `POLICY_INVALID` for keys that cannot be read.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-policy.json.5.md#sigstoresigned
 */
export async function evaluateSigstoreSigned(
  requirement: Requirement<'sigstoreSigned'>,
  context: EvaluationContext,
): Promise<PolicyVerdict> {
  const { type, trust, rekorKeys } = requirement;
  if (trust.kind !== 'keys') throw new SealiftError('INTERNAL', 'signature: expected a requirement with keys');
  const name = `requirement "${type}" with ${describeKeys('key', trust.keys)}`;
  return acceptOneSignature({
    requirement: rekorKeys === undefined ? name : `${name} and ${describeKeys('rekorPublicKey', rekorKeys)}`,
    // Signatures without a media type are simple signatures.
    signatures: context.evidence.signatures.filter(({ mediaType }) => mediaType !== ''),
    judge: (signature) => judge(signature, { requirement, keySource: trust.keys }, context),
    howToSign: HOW_TO_SIGN,
  });
}

/** Certificates are not verified yet. */
export function explainUnsupportedSigstore({ type, trust }: Requirement<'sigstoreSigned'>): string | undefined {
  if (trust.kind === 'keys') return undefined;
  return `requirement "${type}" with ${trust.kind}: signatures by certificates cannot be verified`;
}

interface KeyRequirement {
  readonly requirement: Requirement<'sigstoreSigned'>;
  readonly keySource: KeySource;
}

async function judge(
  signature: RawSignature,
  { requirement, keySource }: KeyRequirement,
  { image, keys, memo, verifier, signal }: EvaluationContext,
): Promise<SignatureVerdict<SignatureAuthor>> {
  const { rekorKeys, predicateTypes, signedIdentity } = requirement;
  return memo.once(requirement, signature, async () => {
    const loaded = await memo.once(requirement, keys, async () => {
      const load = async (prefix: string, source: KeySource) =>
        nameKeys(prefix, source, await keys.load(source, signal));
      return {
        keys: await load('key', keySource),
        logKeys: rekorKeys === undefined ? undefined : await load('rekorPublicKey', rekorKeys),
      };
    });
    const { rawBytes, mediaType, annotations } = signature;
    const check = {
      ...loaded,
      rawBytes,
      mediaType,
      annotations,
      predicateTypes,
      identity: signedIdentity,
      imageReference: identityOf(image.reference),
      digests: image.digests,
      documents: image.rawDocuments,
    };
    const verdict = await verifier.verifySigstoreSignature(check, signal);
    return verdict.kind === 'accepted' ? { ...verdict, signer: { kind: 'sigstore-key', ...verdict.signer } } : verdict;
  });
}
