import { type PayloadKind, readPayload, refusalOf, requireContent, SignatureRefusal } from '../signed-content/index.ts';
import { type PublicKeyBlock, readKeyRings } from './read-key-rings.ts';
import { readSignedMessage, type SignedMessage } from './read-signed-message.ts';
import type { OpenPgpSigner, SimpleSignatureRequest, SimpleSignatureVerdict } from './types.ts';
import { verifyAuthor } from './verify-author.ts';

/** The JSON that GnuPG signs. */
const PAYLOAD: PayloadKind = { type: 'atomic container signature', mayLackOptional: false };

/**
 * Judges one signature: its form, its author, then what it says. The signed text is read only once its author is known.
 * Throws `POLICY_INVALID` for a faulty key ring.
 */
export async function verifySimpleSignature(request: SimpleSignatureRequest): Promise<SimpleSignatureVerdict> {
  const keys = readKeyRings(request.keyRings, request.limits);
  let signer: OpenPgpSigner | undefined;
  try {
    const message = readSignedMessage(request.rawSignature, request.limits.maxSignatureBytes);
    signer = await verifyAuthor(message, { keys: findKeys(keys, message), nowMs: request.nowMs });
    const payload = readPayload(message.untrustedContent, PAYLOAD);
    requireContent(payload, request);
    return { kind: 'accepted', signer, signedReference: payload.reference };
  } catch (error) {
    return refusalOf(error, signer);
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
