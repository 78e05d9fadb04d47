export { type AuthorizedImage, assertAuthorized, authoriseImage } from './authorise-image.ts';
export { createKeyLoader } from './create-key-loader.ts';
export { createSignatureVerifier, type ProgramVerifier } from './create-signature-verifier.ts';
export { gatherEvidence } from './gather-evidence.ts';
export { signaturesToKeep } from './kept-signatures.ts';
export { loadPolicy } from './load-policy.ts';
export { signatureTest } from './signature-finders.ts';
export type {
  ImageProof,
  ImageSigner,
  KeyLoader,
  LookasideStore,
  PolicyChoice,
  SignatureLocations,
  SignatureSource,
  SignatureVerifier,
} from './types.ts';
