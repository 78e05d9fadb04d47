import {
  type SimpleSignatureRequest,
  type SimpleSignatureVerdict,
  verifySimpleSignature,
} from '../simple-signing/index.ts';

/** What a worker does with signatures. */
export interface SignatureOperations {
  /** Throws `POLICY_INVALID` for key rings that cannot be read; a signature is refused by the verdict. */
  verifySimpleSignature(request: SimpleSignatureRequest): Promise<SimpleSignatureVerdict>;
}

/** Runs in workers only, where what others wrote is parsed and verified. */
export const SIGNATURE_OPERATIONS: SignatureOperations = { verifySimpleSignature };
