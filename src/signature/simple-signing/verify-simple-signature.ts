import { formatReference, parseReference } from '../../oci/index.ts';
import { matchSignedIdentity, type SignedIdentity } from '../policy/index.ts';
import { type PublicKeyBlock, readKeyRings } from './read-key-rings.ts';
import { readPayload, type SignaturePayload } from './read-payload.ts';
import { readSignedMessage, type SignedMessage } from './read-signed-message.ts';
import { printable, SignatureRefusal } from './refuse-signature.ts';
import type { SignatureVerdict, SimpleSignatureRequest } from './types.ts';
import { verifyAuthor } from './verify-author.ts';

/**
 * Judges one signature: its form, its author, then what it says. The signed text is read only once its author is known.
 * Throws `POLICY_INVALID` for a faulty key ring.
 */
export async function verifySimpleSignature(request: SimpleSignatureRequest): Promise<SignatureVerdict> {
  const keys = readKeyRings(request.keyRings, request.limits);
  try {
    const message = readSignedMessage(request.rawSignature, request.limits.maxSignatureBytes);
    const signer = await verifyAuthor(message, { keys: findKeys(keys, message), nowMs: request.nowMs });
    const payload = readPayload(message.untrustedContent);
    requireDigest(payload, request);
    requireIdentity(payload, request);
    return { kind: 'accepted', signer, signedReference: payload.reference };
  } catch (error) {
    if (!(error instanceof SignatureRefusal)) throw error;
    const { reason, message: text, remedy } = error;
    return { kind: 'refused', reason, text, remedy };
  }
}

function findKeys(keys: readonly PublicKeyBlock[], { facts }: SignedMessage): readonly PublicKeyBlock[] {
  const found = keys.filter(({ keyIds }) => keyIds.includes(facts.issuerKeyId));
  if (found.length > 0) return found;
  const name = facts.issuerFingerprint ?? facts.issuerKeyId;
  throw new SignatureRefusal('unknown-key', `it names key ${name}, which the key ring does not hold`, {
    remedy: 'add this public key to keyPath, keyPaths or keyData, if you trust its owner',
  });
}

function requireDigest({ manifestDigest }: SignaturePayload, { digests }: SimpleSignatureRequest): void {
  if (digests.some((digest) => digest === manifestDigest)) return;
  const text = `it is for ${printable(manifestDigest)}, not for this image (${digests.filter((digest) => digest.startsWith('sha256:')).join(', ')})`;
  throw new SignatureRefusal('digest', text);
}

function requireIdentity({ reference }: SignaturePayload, request: SimpleSignatureRequest): void {
  const { identity, imageReference } = request;
  const image = imageReference === undefined ? undefined : parseReference(imageReference);
  if (matchSignedIdentity(identity, image, reference)) return;
  const name = imageReference === undefined ? 'the image has no name' : `the image is "${imageReference}"`;
  const text = `it is for the name "${printable(reference)}", and ${name}: "signedIdentity" ${describe(identity)} does not match`;
  throw new SignatureRefusal('identity', text, remedyFor(reference));
}

function describe(identity: SignedIdentity): string {
  return JSON.stringify(identity);
}

/** The rule that accepts exactly what was signed, if that is a reference. */
function remedyFor(signed: string): { readonly remedy?: string } {
  try {
    const { tag, digest, ...name } = parseReference(signed);
    const isName = tag === undefined && digest === undefined;
    const rule: SignedIdentity = isName
      ? { type: 'exactRepository', dockerRepository: formatReference({ ...name, tag, digest }) }
      : { type: 'exactReference', dockerReference: formatReference({ ...name, tag, digest }) };
    return { remedy: `to accept this name for the image, write "signedIdentity": ${JSON.stringify(rule)}` };
  } catch {
    return {};
  }
}
