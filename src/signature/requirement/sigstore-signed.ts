import type { Verdict } from '../types.ts';

/** Sigstore signatures are not verified by this version, and an unverified image is never let through. */
export async function evaluateSigstoreSigned(): Promise<Verdict> {
  return { kind: 'unsupported', reason: 'requirement "sigstoreSigned" needs a Sigstore verifier' };
}
