import { createHash } from 'node:crypto';
import type { Certificate } from '../certificates/index.ts';
import { isSame, refuseSignature } from '../signed-content/index.ts';
import type { HashValue, Timestamp, UnreadTimestamp } from './open-timestamp.ts';
import type { SignatureAlgorithm } from './read-algorithms.ts';

/** True if a timestamp names this certificate as that of its signer, by issuer and serial number. */
export function isSignedBy({ signer }: UnreadTimestamp, { rawIssuer, serial }: Certificate): boolean {
  return signer !== undefined && isSame(signer.rawIssuer, rawIssuer) && isSame(signer.serial, serial);
}

/**
 * Verifies that the key of this certificate has signed the timestamp, and that it is for this message. Returns its time.
 * Whether the certificate may sign timestamps at that time is for the caller. Throws `SIGNATURE_REFUSED`.
 * https://www.rfc-editor.org/rfc/rfc3161#section-2.2
 */
export function verifyTimestamp(timestamp: Timestamp, certificate: Certificate, message: Uint8Array): Date {
  const { info, rawInfo, attributes, rawAttributes, algorithm, signature } = timestamp;
  if (!isHashOf(info.imprint, message)) refuse('is for another signature');
  if (!isHashOf(attributes.messageDigest, rawInfo)) refuse('has another content than its signer says');
  if (!attributes.certificateHashes.every((hash) => isHashOf(hash, certificate.raw))) {
    refuse('is by another certificate than that of the authority');
  }
  if (!isVerified(certificate, algorithm, { rawAttributes, signature })) {
    refuse('is not by the key of the authority');
  }
  return info.at;
}

function refuse(what: string): never {
  return refuseSignature('timestamp', `its timestamp ${what}`);
}

function isVerified(
  { key }: Certificate,
  { keys, hash }: SignatureAlgorithm,
  { rawAttributes, signature }: Pick<Timestamp, 'rawAttributes' | 'signature'>,
): boolean {
  const isOfKey = key.kind.startsWith('P-') ? keys === 'ECDSA' : keys === key.kind;
  return isOfKey && key.verifiesWith(hash, rawAttributes, signature);
}

function isHashOf({ hash, value }: HashValue, bytes: Uint8Array): boolean {
  return createHash(hash).update(bytes).digest().equals(value);
}
