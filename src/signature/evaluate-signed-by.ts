import { formatReference, type ImageReference, isFileReference, withDefaultTag } from '../oci/index.ts';
import type { KeySource, Requirement } from './policy/index.ts';
import type { RawKeyRing, SignatureVerdict } from './simple-signing/index.ts';
import type { EvaluationContext, PolicyVerdict, RawSignature } from './types.ts';

/** Checks that hang or crash cost a thread each; after so many of them the other signatures are not looked at. */
const MAX_FAILED_CHECKS = 3;
/** How many signatures a denial lists. */
const MAX_LISTED = 10;

/** A signature with its verdict; undefined: it was not looked at. */
interface Judged {
  readonly signature: RawSignature;
  readonly verdict: SignatureVerdict | undefined;
}

/**
 * Accepts an image if one simple signature satisfies the requirement in all respects at once: made by one of its keys,
 * for this image, under a name that `signedIdentity` accepts. Throws `POLICY_INVALID` for keys that cannot be read.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#signedby
 */
export async function evaluateSignedBy(
  requirement: Requirement<'signedBy'>,
  context: EvaluationContext,
): Promise<PolicyVerdict> {
  const name = describeRequirement(requirement);
  if (requirement.keyType !== 'GPGKeys') {
    const reason = `${name}: keyType "${requirement.keyType}" is not implemented, nor is it elsewhere; expected "GPGKeys"`;
    return { kind: 'unsupported', reason };
  }
  // Signatures with a media type are attachments of Sigstore.
  const signatures = context.evidence.signatures.filter(({ mediaType }) => mediaType === '');
  if (signatures.length === 0) return { kind: 'deny', reason: `${name}: no signature was found`, remedy: SIGN_IT };
  const judged: Judged[] = [];
  let failedChecks = 0;
  for (const signature of signatures) {
    const verdict = failedChecks < MAX_FAILED_CHECKS ? await judge(signature, requirement, context) : undefined;
    if (verdict?.kind === 'accepted') {
      const { signer, signedReference } = verdict;
      const signedBy = { kind: 'openpgp', ...signer, signedReference, origin: signature.origin } as const;
      return { kind: 'accept', basis: 'signature', signers: [signedBy] };
    }
    if (verdict?.reason === 'check-failed') failedChecks += 1;
    judged.push({ signature, verdict });
  }
  return { kind: 'deny', reason: `${name}: ${describeRefusals(judged)}`, remedy: remedyFor(judged) };
}

async function judge(
  signature: RawSignature,
  requirement: Requirement<'signedBy'>,
  { image, keys, memo, verifier, signal }: EvaluationContext,
): Promise<SignatureVerdict> {
  return memo.once(requirement, signature, async () => {
    const keyRings = await memo.once(requirement, keys, async () =>
      nameRings(requirement.keys, await keys.load(requirement.keys, signal)),
    );
    const check = {
      rawSignature: signature.rawBytes,
      keyRings,
      identity: requirement.signedIdentity,
      imageReference: identityOf(image.reference),
      digests: image.digests,
    };
    return verifier.verifySimpleSignature(check, signal);
  });
}

function nameRings({ kind, values }: KeySource, rings: readonly Uint8Array[]): readonly RawKeyRing[] {
  const isPath = kind === 'path' || kind === 'paths';
  return rings.map((rawBytes, position) => {
    return { name: isPath ? (values[position] ?? 'key') : 'in keyData', rawBytes };
  });
}

/** The tag of a reference that also has a digest is a remark, as in scopes. Files have no name in a registry. */
function identityOf(reference: ImageReference): string | undefined {
  if (isFileReference(reference)) return undefined;
  const { digest } = reference;
  return formatReference(digest === undefined ? withDefaultTag(reference) : { ...reference, tag: undefined });
}

function describeRequirement({ type, keys: { kind, values } }: Requirement<'signedBy'>): string {
  const isPath = kind === 'path' || kind === 'paths';
  const member = `key${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  return `requirement "${type}" with ${member}${isPath ? ` ${values.join(', ')}` : ''}`;
}

function describeRefusals(judged: readonly Judged[]): string {
  const listed = judged.slice(0, MAX_LISTED).map(describeRefusal);
  const others = judged.length - listed.length;
  const count = judged.length === 1 ? 'the signature does not count' : `none of ${judged.length} signatures counts`;
  return `${count}: ${listed.join('; ')}${others > 0 ? `; and ${others} more` : ''}`;
}

function describeRefusal({ signature: { origin }, verdict }: Judged): string {
  if (verdict === undefined) return `${origin}: not checked, since ${MAX_FAILED_CHECKS} checks before it failed`;
  if (verdict.kind === 'accepted') return `${origin}: accepted`;
  return `${origin}: ${verdict.text}${verdict.remedy === undefined ? '' : ` (${verdict.remedy})`}`;
}

const SIGN_IT =
  'sign the image with one of these keys (skopeo copy --sign-by, podman push --sign-by) and put the signature where it is looked for; docs/policy.md has the steps';
const SIGN_AGAIN =
  'a denial is final; docs/policy.md says for each of these reasons how to sign the image again, or what to change in the policy';

function remedyFor(judged: readonly Judged[]): string {
  const remedies = judged.flatMap(({ verdict }) => (verdict?.kind === 'refused' ? [verdict.remedy] : []));
  return remedies.find((remedy) => remedy !== undefined) ?? SIGN_AGAIN;
}
