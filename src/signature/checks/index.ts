import type { ExaminedKey } from '../signed-content/index.ts';
import { type SigstoreSignatureRequest, type SigstoreVerdict, verifySigstoreSignature } from '../sigstore/index.ts';
import {
  type SimpleSignatureRequest,
  type SimpleSignatureVerdict,
  verifySimpleSignature,
} from '../simple-signing/index.ts';
import { examineKeys, type KeyExaminationRequest } from './examine-keys.ts';

/**
 * What a worker does with signatures and keys. All throw `POLICY_INVALID` for keys that cannot be read; a signature is
 * refused by the verdict.
 */
export interface SignatureOperations {
  verifySimpleSignature(request: SimpleSignatureRequest): Promise<SimpleSignatureVerdict>;
  verifySigstoreSignature(request: SigstoreSignatureRequest): SigstoreVerdict;
  examineKeys(request: KeyExaminationRequest): Promise<readonly ExaminedKey[]>;
}

/** Runs in workers only, where what others wrote is parsed and verified. */
export const SIGNATURE_OPERATIONS: SignatureOperations = {
  verifySimpleSignature,
  verifySigstoreSignature,
  examineKeys,
};
