import type { Config, PublicKey, SignaturePacket } from 'openpgp';
import { SealiftError } from '../../errors/index.ts';
import { printableReason, refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import type { PublicKeyBlock } from './read-key-rings.ts';
import type { SignedMessage } from './read-signed-message.ts';
import type { OpenPgpSigner } from './types.ts';
import { type Candidate, fingerprintOf, MIN_RSA_BITS, requireStrongKey, requireUsableKey } from './verify-key.ts';

export type OpenPgp = typeof import('openpgp');

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
  const step: Step = { openpgp, config: createConfig(openpgp), message };
  let refusal: SignatureRefusal | undefined;
  // Several keys may have the key ID, also because one of them claims the subkey of another.
  for (const key of keys) {
    try {
      return await verifyWith(step, key, nowMs);
    } catch (error) {
      if (!(error instanceof SignatureRefusal)) throw error;
      refusal ??= error;
    }
  }
  throw refusal ?? new SealiftError('INTERNAL', 'signature: no key to verify it with');
}

/** A key without key flags may sign, as with GnuPG; a subkey needs the cross-certification all the same. */
export function createConfig(openpgp: OpenPgp): Config {
  return { ...openpgp.config, minRSABits: MIN_RSA_BITS, allowMissingKeyFlags: true };
}

async function verifyWith(step: Step, block: PublicKeyBlock, nowMs: number): Promise<OpenPgpSigner> {
  const { openpgp, config, message } = step;
  const candidate = await openCandidate(step, block);
  const signature = await verifySignature(step, candidate);
  const { revocationCount } = block;
  await requireUsableKey({ openpgp, candidate, signature, config, nowMs, revocationCount });
  return {
    fingerprint: fingerprintOf(candidate.key),
    signedAt: new Date(message.facts.createdSeconds * 1000).toISOString(),
  };
}

async function openCandidate(step: Step, block: PublicKeyBlock): Promise<Candidate> {
  const { issuerKeyId, issuerFingerprint } = step.message.facts;
  const key = await openKey(step, block);
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

/** Throws `SIGNATURE_REFUSED` for a key that OpenPGP.js cannot read. */
export async function openKey(
  { openpgp, config }: Pick<Step, 'openpgp' | 'config'>,
  { fingerprint, rawBytes }: PublicKeyBlock,
): Promise<PublicKey> {
  try {
    return await openpgp.readKey({ binaryKey: rawBytes, config });
  } catch (cause) {
    throw new SignatureRefusal('key-unusable', `its key ${fingerprint} cannot be read`, { cause });
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
