export { examinePublicKeys } from './examine-public-keys.ts';
export { examineAuthorities, examineTrustedRoots } from './examine-trust.ts';
export type { RawAuthor, SigstoreSignatureRequest, SigstoreSigner, SigstoreVerdict } from './types.ts';
export { verifySigstoreSignature } from './verify-sigstore-signature.ts';
