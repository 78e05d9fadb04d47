import { acceptOneSignature } from './accept-one-signature.ts';
import { nameRequirement } from './describe-requirement.ts';
import { identityOf, nameKeys } from './name-keys.ts';
import type { KeySource, Requirement, SigstoreTrust } from './policy/index.ts';
import type { RawKeyRing, SignatureVerdict } from './signed-content/index.ts';
import type { RawAuthor } from './sigstore/index.ts';
import type { EvaluationContext, PolicyVerdict, RawSignature, SignatureAuthor } from './types.ts';

type SigstoreRequirement = Requirement<'sigstoreSigned'>;

/** By what a requirement wants the signature to be made. */
const HOW_TO_SIGN: Readonly<Record<SigstoreTrust['kind'], string>> = {
  keys: 'sign the image with one of these keys (cosign sign --key)',
  fulcio: 'sign the image as the author that the requirement names (cosign sign, without a key)',
  pki: 'sign the image with a certificate of these authorities (cosign sign --key … --certificate … --certificate-chain …)',
};

/**
 * Accepts an image if one attachment of Sigstore satisfies the requirement in all respects at once: made by one of its
 * keys or authors, seen by one of its logs if it names any, for this image, under a name that `signedIdentity` accepts.
 * Throws `POLICY_INVALID` for keys and certificates that cannot be read.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-policy.json.5.md#sigstoresigned
 */
export async function evaluateSigstoreSigned(
  requirement: SigstoreRequirement,
  context: EvaluationContext,
): Promise<PolicyVerdict> {
  return acceptOneSignature({
    requirement: nameRequirement(requirement),
    // Signatures without a media type are simple signatures.
    signatures: context.evidence.signatures.filter(({ mediaType }) => mediaType !== ''),
    judge: (signature) => judge(signature, requirement, context),
    howToSign: `${HOW_TO_SIGN[requirement.trust.kind]} in the registry that it comes from; docs/policy.md has the steps`,
    examinesAll: context.examinesAll,
  });
}

async function judge(
  signature: RawSignature,
  requirement: SigstoreRequirement,
  { image, keys, memo, verifier, signal }: EvaluationContext,
): Promise<SignatureVerdict<SignatureAuthor>> {
  const { predicateTypes, signedIdentity } = requirement;
  return memo.once(requirement, signature, async () => {
    const load: Load = async (prefix, source) => nameKeys(prefix, source, await keys.load(source, signal));
    const loaded = await memo.once(requirement, keys, () => loadTrust(requirement, load));
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
    return verifier.verifySigstoreSignature(check, signal);
  });
}

type Load = (prefix: string, source: KeySource) => Promise<readonly RawKeyRing[]>;

interface LoadedTrust {
  readonly author: RawAuthor;
  readonly logKeys: readonly RawKeyRing[] | undefined;
  readonly trustedRoot: RawKeyRing | undefined;
}

async function loadTrust({ trust, rekorKeys, trustedRoot }: SigstoreRequirement, load: Load): Promise<LoadedTrust> {
  const [root] = trustedRoot === undefined ? [] : await load('trustedRoot', trustedRoot);
  return {
    author: await loadAuthor(trust, load),
    logKeys: rekorKeys && (await load('rekorPublicKey', rekorKeys)),
    trustedRoot: root,
  };
}

async function loadAuthor(trust: SigstoreTrust, load: Load): Promise<RawAuthor> {
  switch (trust.kind) {
    case 'keys':
      return { kind: 'keys', keys: await load('key', trust.keys) };
    case 'fulcio':
      return { kind: 'fulcio', ca: trust.ca && (await load('ca', trust.ca)), identity: trust.identity };
    case 'pki': {
      const { roots, intermediates, subject } = trust;
      return {
        kind: 'pki',
        roots: await load('caRoots', roots),
        intermediates: intermediates === undefined ? [] : await load('caIntermediates', intermediates),
        subject,
      };
    }
  }
}
