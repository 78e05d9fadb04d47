import type { Verdict } from '../types.ts';

/** Simple signing is not verified by this version, and an unverified image is never let through. */
export async function evaluateSignedBy(): Promise<Verdict> {
  return { kind: 'unsupported', reason: 'requirement "signedBy" needs a simple signing verifier' };
}
