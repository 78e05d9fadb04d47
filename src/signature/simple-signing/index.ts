import type { SignatureOperations } from './types.ts';
import { verifySimpleSignature } from './verify-simple-signature.ts';

/** Runs in workers only, where what others wrote is parsed and verified. */
export const SIGNATURE_OPERATIONS: SignatureOperations = { verifySimpleSignature };

export type {
  OpenPgpSigner,
  RawKeyRing,
  SignatureOperations,
  SignatureVerdict,
  SimpleSignatureRequest,
} from './types.ts';
