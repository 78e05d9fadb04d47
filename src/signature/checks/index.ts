import { type SigstoreSignatureRequest, type SigstoreVerdict, verifySigstoreSignature } from '../sigstore/index.ts';
import {
  type SimpleSignatureRequest,
  type SimpleSignatureVerdict,
  verifySimpleSignature,
} from '../simple-signing/index.ts';

/**
 * What a worker does with signatures. Both throw `POLICY_INVALID` for keys that cannot be read; a signature is refused by
 * the verdict.
 */
export interface SignatureOperations {
  verifySimpleSignature(request: SimpleSignatureRequest): Promise<SimpleSignatureVerdict>;
  verifySigstoreSignature(request: SigstoreSignatureRequest): SigstoreVerdict;
}

/** Runs in workers only, where what others wrote is parsed and verified. */
export const SIGNATURE_OPERATIONS: SignatureOperations = { verifySimpleSignature, verifySigstoreSignature };
