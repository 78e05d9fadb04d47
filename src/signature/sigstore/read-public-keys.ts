import { SealiftError } from '../../errors/index.ts';
import { limitExceeded } from '../../limits/index.ts';
import { isPem, openPublicKey, readPemBlock, type VerificationKey } from '../certificates/index.ts';
import type { RawKeyRing } from '../signed-content/index.ts';
import type { SigstoreLimits } from './types.ts';

/** Reads the keys of a requirement, each in a file or text of its own. Throws `POLICY_INVALID`. */
export function readPublicKeys(raw: readonly RawKeyRing[], limits: SigstoreLimits): readonly VerificationKey[] {
  requireBytesWithin(raw, 'public keys', limits);
  requireCountWithin(raw.length, 'public keys', limits);
  return raw.map(({ name, rawBytes }) => {
    const refuse = (what: string): never => {
      throw new SealiftError('POLICY_INVALID', `policy: public key ${name}: ${what}`, { context: { path: name } });
    };
    const isText = isPem(rawBytes);
    const rawSpki = isText ? readPemBlock(Buffer.from(rawBytes).toString('latin1'), 'PUBLIC KEY', refuse) : rawBytes;
    return openPublicKey(name, rawSpki, refuse);
  });
}

/** Throws `POLICY_INVALID` if the files of a requirement are too large together. `what` they hold is for messages. */
export function requireBytesWithin(raw: readonly RawKeyRing[], what: string, limits: SigstoreLimits): void {
  const expected = limits.maxKeyRingBytes;
  const actual = raw.reduce((total, { rawBytes }) => total + rawBytes.length, 0);
  if (actual > expected)
    throw limitExceeded(`policy: bytes of ${what}`, { limit: 'maxKeyRingBytes', expected, actual });
}

/** The same for the number of keys or certificates in them. */
export function requireCountWithin(actual: number, what: string, limits: SigstoreLimits): void {
  const expected = limits.maxKeyRingKeys;
  if (actual > expected) throw limitExceeded(`policy: ${what}`, { limit: 'maxKeyRingKeys', expected, actual });
}
