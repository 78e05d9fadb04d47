import type { Config, PublicKey, SignaturePacket } from 'openpgp';
import { SealiftError } from '../../errors/index.ts';
import { printableReason, refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import type { PublicKeyBlock } from './read-key-rings.ts';
import type { SignedMessage } from './read-signed-message.ts';
import type { OpenPgpSigner } from './types.ts';
import { type Candidate, fingerprintOf, MIN_RSA_BITS, requireStrongKey, requireUsableKey } from './verify-key.ts';

type OpenPgp = typeof import('openpgp');

/** What a signature is checked with. */
export interface AuthorCheck {
  /** Those that have a key of the signature's issuer. */
  readonly keys: readonly PublicKeyBlock[];
  readonly nowMs: number;
}

/** What all steps of a check need. */
interface Step {
  readonly openpgp: OpenPgp;
  readonly config: Config;
  readonly message: SignedMessage;
}

/**
 * Proves that a key of the ring made the signature, and that key and signature hold now: GnuPG and containers/image
 * compare with the time of the check, not with the time of the signature. Throws `SIGNATURE_REFUSED`.
 *
 * OpenPGP.js gets one signature packet and the bytes that the walker found, never the message, so that it decides
 * nothing about which bytes are signed.
 */
export async function verifyAuthor(message: SignedMessage, { keys, nowMs }: AuthorCheck): Promise<OpenPgpSigner> {
  const openpgp = await import('openpgp');
  // A key without key flags may sign, as with GnuPG; a subkey needs the cross-certification all the same.
  const config: Config = { ...openpgp.config, minRSABits: MIN_RSA_BITS, allowMissingKeyFlags: true };
  const step: Step = { openpgp, config, message };
  const candidate = await openCandidate(step, keys);
  const signature = await verifySignature(step, candidate);
  await requireUsableKey({ candidate, signature, config, nowMs });
  return {
    fingerprint: fingerprintOf(candidate.key),
    signedAt: new Date(message.facts.createdSeconds * 1000).toISOString(),
  };
}

async function openCandidate(step: Step, keys: AuthorCheck['keys']): Promise<Candidate> {
  const { issuerKeyId, issuerFingerprint } = step.message.facts;
  const key = await readKey(step, keys);
  const signing = key.getKeys().find((each) => each.getKeyID().toHex().toUpperCase() === issuerKeyId);
  const isOther =
    issuerFingerprint !== undefined && signing !== undefined && fingerprintOf(signing) !== issuerFingerprint;
  if (signing === undefined || isOther) {
    return refuseSignature('key-unusable', `it names key ${issuerFingerprint ?? issuerKeyId}, which cannot be read`);
  }
  requireStrongKey(key);
  requireStrongKey(signing);
  return { key, signing };
}

/** Copies of one key are merged, so that a revocation in any of them counts. */
async function readKey({ openpgp, config }: Step, keys: AuthorCheck['keys']): Promise<PublicKey> {
  const fingerprints = new Set(keys.map(({ fingerprint }) => fingerprint));
  if (fingerprints.size !== 1) {
    return refuseSignature('unknown-key', `it names a key ID that ${fingerprints.size} keys of the key ring have`);
  }
  try {
    const [first, ...others] = await Promise.all(
      keys.map(({ rawBytes }) => openpgp.readKey({ binaryKey: rawBytes, config })),
    );
    if (first === undefined) throw new SealiftError('INTERNAL', 'signature: no key to verify it with');
    let merged: PublicKey = first;
    for (const other of others) merged = await merged.update(other, undefined, config);
    return merged;
  } catch (cause) {
    throw new SignatureRefusal('key-unusable', `its key ${[...fingerprints].join()} cannot be read`, { cause });
  }
}

async function verifySignature({ openpgp, config, message }: Step, candidate: Candidate): Promise<SignaturePacket> {
  try {
    const { packets } = await openpgp.readSignature({ binarySignature: message.signaturePacket, config });
    const [signature] = packets;
    const [literal] = (await openpgp.createMessage({ binary: message.untrustedContent })).packets;
    if (signature === undefined || packets.length !== 1 || literal === undefined)
      refuseSignature('malformed', 'OpenPGP.js sees another number of packets');
    // Compares times with the signature's own: what holds now is judged afterwards, with a text for each reason.
    const date = signature.created ?? undefined;
    const { binary } = openpgp.enums.signature;
    await signature.verify(candidate.signing.keyPacket, binary, literal, date, true, config);
    return signature;
  } catch (cause) {
    const name = fingerprintOf(candidate.signing);
    const text = `it cannot be verified with the key that it names, ${name}: ${printableReason(cause)}`;
    throw new SignatureRefusal('not-authentic', text, { cause });
  }
}
