import {
  type ExaminedKey,
  type KeyExamination,
  type RefusalReason,
  SignatureRefusal,
} from '../signed-content/index.ts';
import { type PublicKeyBlock, readKeyRings } from './read-key-rings.ts';
import type { SimpleSigningLimits } from './types.ts';
import { createConfig, type OpenPgp, openKey } from './verify-author.ts';
import { type Candidate, expiryOf, requireStrongKey, requireUsableKey } from './verify-key.ts';

interface RingExamination extends Pick<KeyExamination, 'raw'> {
  readonly nowMs: number;
  readonly limits: SimpleSigningLimits;
}

/**
 * Says of each key of the rings whether a signature that it made now would count, by the rules for signatures. Throws
 * `POLICY_INVALID` for rings that cannot be read.
 */
export async function examineKeyRings({ raw, nowMs, limits }: RingExamination): Promise<readonly ExaminedKey[]> {
  const blocks = readKeyRings(raw, limits);
  const openpgp = await import('openpgp');
  const examined: ExaminedKey[] = [];
  for (const block of blocks) examined.push(await examine(openpgp, block, nowMs));
  return examined;
}

async function examine(openpgp: OpenPgp, block: PublicKeyBlock, nowMs: number): Promise<ExaminedKey> {
  const config = createConfig(openpgp);
  const { fingerprint: id, revocationCount } = block;
  let algorithm = 'unknown';
  const refusals: SignatureRefusal[] = [];
  try {
    const key = await openKey({ openpgp, config }, block);
    // OpenPGP.js calls the form of Ed25519 keys that gpg writes ed25519Legacy.
    const info = key.getAlgorithmInfo();
    algorithm =
      info.curve?.replace(/Legacy$/, '') ??
      (info.bits === undefined ? info.algorithm : `${info.algorithm} ${info.bits}`);
    const signature = { created: new Date(nowMs), getExpirationTime: () => Number.POSITIVE_INFINITY };
    for (const signing of key.getKeys()) {
      const candidate: Candidate = { key, signing };
      const check = { openpgp, candidate, signature, config, nowMs, revocationCount };
      const refusal = await refusalOf(async () => {
        requireStrongKey(key);
        requireStrongKey(signing);
        await requireUsableKey(check);
      });
      if (refusal === undefined) {
        return { id, algorithm, expiresAt: format(await expiryOf(check, new Date(nowMs))), problem: undefined };
      }
      refusals.push(refusal);
    }
  } catch (error) {
    if (!(error instanceof SignatureRefusal)) throw error;
    refusals.push(error);
  }
  return { id, algorithm, expiresAt: undefined, problem: describe(refusals) };
}

async function refusalOf(check: () => Promise<void>): Promise<SignatureRefusal | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (error instanceof SignatureRefusal) return error;
    throw error;
  }
}

/** A subkey that must not sign says less than the reason why the key that signs cannot be used. */
const DECISIVE: ReadonlySet<RefusalReason> = new Set<RefusalReason>([
  'key-revoked',
  'key-expired',
  'key-newer',
  'weak-key',
]);

/** The texts are about a signature: `its key … is revoked`. */
function describe(refusals: readonly SignatureRefusal[]): string {
  const refusal = refusals.find(({ reason }) => DECISIVE.has(reason)) ?? refusals[0];
  return refusal?.message.replace(/^its /, '') ?? 'it has no key that may sign';
}

function format(ms: number): string | undefined {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : undefined;
}
