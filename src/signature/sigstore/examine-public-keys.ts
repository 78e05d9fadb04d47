import { keyIdOf } from '../certificates/index.ts';
import type { ExaminedKey, KeyExamination } from '../signed-content/index.ts';
import { readPublicKeys } from './read-public-keys.ts';
import type { SigstoreLimits } from './types.ts';

/** Reads public keys without a signature. Throws `POLICY_INVALID` for one that is weak or cannot be read. */
export function examinePublicKeys({
  raw,
  limits,
}: Pick<KeyExamination, 'raw'> & { readonly limits: SigstoreLimits }): readonly ExaminedKey[] {
  return readPublicKeys(raw, limits).map((key) => {
    return { id: keyIdOf(key), algorithm: key.kind, expiresAt: undefined, problem: undefined };
  });
}
