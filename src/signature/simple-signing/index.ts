export { examineKeyRings } from './examine-key-rings.ts';
export type { OpenPgpSigner, SimpleSignatureRequest, SimpleSignatureVerdict } from './types.ts';
export { verifySimpleSignature } from './verify-simple-signature.ts';
