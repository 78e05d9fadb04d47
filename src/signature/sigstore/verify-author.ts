import { SignatureRefusal } from '../signed-content/index.ts';
import type { VerificationKey } from './read-public-keys.ts';

/** Returns the key that made the signature over these bytes. Throws `SIGNATURE_REFUSED` if none of them did. */
export function findAuthor(
  keys: readonly VerificationKey[],
  message: Uint8Array,
  signature: Uint8Array,
): VerificationKey {
  const key = keys.find((each) => each.verifies(message, signature));
  if (key !== undefined) return key;
  const names = keys.map(({ name }) => name).join(', ');
  // Node has no Ed25519ph, so it cannot be told from a signature by another key.
  const isEdwards = signature.length === ED25519_BYTES && keys.some(({ kind }) => kind === 'Ed25519');
  const prehashed = isEdwards
    ? '; with Ed25519 keys cosign 3.1 makes Ed25519ph signatures, which do not count: sign with an ECDSA P-256 key'
    : '';
  const text = `it is not by the key of the requirement (${names}), or is for other content${prehashed}`;
  throw new SignatureRefusal('not-authentic', text, {
    remedy: 'add the public key to keyPath, keyPaths, keyData or keyDatas, if you trust its owner',
  });
}

const ED25519_BYTES = 64;
