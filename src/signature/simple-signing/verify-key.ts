import type { Config, PublicKey, SignaturePacket, Subkey } from 'openpgp';
import { printableReason, refuseSignature, SignatureRefusal } from '../signed-content/index.ts';

type OpenPgp = typeof import('openpgp');

/** The key, and that key or the subkey of it that made a signature. */
export interface Candidate {
  readonly key: PublicKey;
  readonly signing: PublicKey | Subkey;
}

interface KeyCheck {
  readonly openpgp: OpenPgp;
  readonly candidate: Candidate;
  readonly signature: Pick<SignaturePacket, 'created' | 'getExpirationTime'>;
  readonly config: Config;
  readonly nowMs: number;
  /** How many revocations the packets of the key have. */
  readonly revocationCount: number;
}

/** Clocks of two machines differ, so a signature may be this much newer than the guest's clock says. */
const CLOCK_DIFFERENCE_MS = 5 * 60 * 1000;

export const MIN_RSA_BITS = 2048;
const EDWARDS_ALGORITHMS: ReadonlySet<string> = new Set(['ed25519', 'ed448']);
const CURVES: ReadonlySet<string> = new Set(['nistP256', 'nistP384', 'nistP521', 'ed25519Legacy']);

/** In upper-case hexadecimal digits, as gpg shows it. */
export function fingerprintOf(key: Pick<PublicKey, 'getFingerprint'>): string {
  return key.getFingerprint().toUpperCase();
}

/**
 * Refuses a key of a kind that is weak, or that OpenPGP.js verifies only with a module that is not shipped. Throws
 * `SIGNATURE_REFUSED`.
 */
export function requireStrongKey(key: PublicKey | Subkey): void {
  const { algorithm, bits = 0, curve } = key.getAlgorithmInfo();
  const name = `its key ${fingerprintOf(key)}`;
  if (algorithm === 'rsaEncryptSign' || algorithm === 'rsaSign') {
    if (bits >= MIN_RSA_BITS) return;
    refuseSignature('weak-key', `${name} is RSA of ${bits} bits; expected at least ${MIN_RSA_BITS}`);
  }
  if (curve === undefined ? EDWARDS_ALGORITHMS.has(algorithm) : CURVES.has(curve)) return;
  const kind = curve ?? algorithm;
  refuseSignature(
    'weak-key',
    `${name} is of the kind ${kind}; expected RSA, NIST P-256, P-384, P-521, Ed25519 or Ed448`,
  );
}

/**
 * Refuses an authentic signature whose key or which itself does not hold now. OpenPGP.js compares with the time of the
 * signature, and so accepts a key that has expired since. Throws `SIGNATURE_REFUSED`.
 */
export async function requireUsableKey(check: KeyCheck): Promise<void> {
  const { candidate, signature, nowMs } = check;
  const createdMs = requireTimeOfSignature(signature, nowMs);
  const now = new Date(Math.max(nowMs, createdMs));
  const name = fingerprintOf(candidate.key);
  await requireNoRevocation(check, now);
  requireNoRevoker(candidate.key);
  for (const each of [candidate.key, candidate.signing]) {
    const bornMs = each.getCreationTime().getTime();
    if (bornMs > createdMs) refuseSignature('key-newer', `its key ${name} was made at ${format(bornMs)}, after it`);
  }
  const expiresMs = await expiryOf(check, now);
  if (expiresMs <= now.getTime()) {
    refuseSignature('key-expired', `its key ${name} expired at ${format(expiresMs)}; the clock says ${format(nowMs)}`);
  }
  await requireSigningKey(check, now);
}

/** Returns when the signature was made. */
function requireTimeOfSignature(signature: KeyCheck['signature'], nowMs: number): number {
  const createdMs = signature.created?.getTime() ?? 0;
  if (createdMs > nowMs + CLOCK_DIFFERENCE_MS) {
    refuseSignature('signature-from-future', `it was made at ${format(createdMs)}; the clock says ${format(nowMs)}`);
  }
  const expiresMs = Number(signature.getExpirationTime());
  if (expiresMs <= nowMs) {
    refuseSignature('signature-expired', `it expired at ${format(expiresMs)}; the clock says ${format(nowMs)}`);
  }
  return createdMs;
}

/**
 * Refuses a key with a revocation that holds, and one with a revocation that cannot be verified, which OpenPGP.js would
 * pass over: by a weak hash, in an old form, with an unknown critical part, damaged, or by another key. Only a key that is
 * retired or superseded from a later time on is not revoked yet.
 */
async function requireNoRevocation(check: KeyCheck, now: Date): Promise<void> {
  const { openpgp, candidate, revocationCount } = check;
  const { key, signing } = candidate;
  const { keyRevocation, subkeyRevocation } = openpgp.enums.signature;
  const name = fingerprintOf(key);
  const subkeys = key.subkeys.flatMap(({ revocationSignatures }) => revocationSignatures);
  if (key.revocationSignatures.length + subkeys.length !== revocationCount) refuseRevocation(name, 'it cannot be read');
  const revoked = { key: key.keyPacket };
  for (const each of key.revocationSignatures)
    await judgeRevocation(each, { type: keyRevocation, revoked, check, now });
  if (!isSubkey(signing)) return;
  const bound = { ...revoked, bind: signing.keyPacket };
  for (const each of signing.revocationSignatures) {
    await judgeRevocation(each, { type: subkeyRevocation, revoked: bound, check, now });
  }
}

interface RevocationCheck {
  readonly type: number;
  /** What the revocation has to be a signature of. */
  readonly revoked: object;
  readonly check: KeyCheck;
  readonly now: Date;
}

async function judgeRevocation(revocation: SignaturePacket, { type, revoked, check, now }: RevocationCheck) {
  const { openpgp, candidate, config } = check;
  const name = fingerprintOf(candidate.key);
  try {
    // A hash that is too weak to trust a signature is strong enough to end the trust.
    const lenient = { ...config, rejectHashAlgorithms: new Set<number>() };
    await revocation.verify(candidate.key.keyPacket, type, revoked, revocation.created ?? undefined, false, lenient);
  } catch (cause) {
    refuseRevocation(name, printableReason(cause));
  }
  const { keyRetired, keySuperseded } = openpgp.enums.reasonForRevocation;
  const flag = revocation.reasonForRevocationFlag;
  const isLater = (flag === keyRetired || flag === keySuperseded) && (revocation.created ?? now) > now;
  if (!isLater) refuseSignature('key-revoked', `its key ${name} is revoked`);
}

function refuseRevocation(name: string, reason: string): never {
  refuseSignature('key-unusable', `its key ${name} has a revocation that cannot be verified: ${reason}`);
}

/** The declarations of OpenPGP.js leave this out. */
type WithDirectSignatures = PublicKey & { readonly directSignatures: readonly SignaturePacket[] };

/** Whether another key has revoked this one cannot be found out here, so a key that lets another one do so is refused. */
function requireNoRevoker(key: PublicKey): void {
  const certifications = key.users.flatMap(({ selfCertifications }) => selfCertifications);
  const { directSignatures } = key as WithDirectSignatures;
  const hasRevoker = [...directSignatures, ...certifications].some(hasRevocationKey);
  if (!hasRevoker) return;
  refuseSignature('key-unusable', `its key ${fingerprintOf(key)} names another key that may revoke it`);
}

function hasRevocationKey({ revocationKeyClass }: SignaturePacket): boolean {
  return typeof revocationKeyClass === 'number';
}

function isSubkey(key: PublicKey | Subkey): key is Subkey {
  return 'mainKey' in key;
}

/** Returns when the first of key and subkey expires. Throws when the key itself does not say so. */
export async function expiryOf(
  { candidate, config }: Pick<KeyCheck, 'candidate' | 'config'>,
  now: Date,
): Promise<number> {
  const { key, signing } = candidate;
  const expiries = [await key.getExpirationTime(undefined, config)];
  if (isSubkey(signing)) expiries.push(await signing.getExpirationTime(now, config));
  if (!expiries.includes(null)) return Math.min(...expiries.map(Number));
  return refuseSignature('key-unusable', `its key ${fingerprintOf(key)} has no valid signature by itself`);
}

/** Self-signatures, the right to sign, and a subkey's cross-certification. */
async function requireSigningKey({ candidate, config }: KeyCheck, now: Date): Promise<void> {
  const { key, signing } = candidate;
  try {
    const found = await key.getSigningKey(signing.getKeyID(), now, undefined, config);
    if (fingerprintOf(found) === fingerprintOf(signing)) return;
  } catch (cause) {
    const reason = printableReason(cause);
    const isCrossCertified = !reason.includes('Missing embedded signature');
    const what = isCrossCertified ? `cannot be used: ${reason}` : 'has a signing subkey that does not certify it back';
    throw new SignatureRefusal('key-unusable', `its key ${fingerprintOf(key)} ${what}`, { cause });
  }
  refuseSignature('key-unusable', `its key ${fingerprintOf(key)} must not sign with ${fingerprintOf(signing)}`);
}

/** RFC 3339 without fractions of a second; a time beyond all calendars as it is. */
function format(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().replace('.000Z', 'Z') : String(ms);
}
