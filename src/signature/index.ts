export { type AuthorizedImage, assertAuthorized, authoriseImage } from './authorise-image.ts';
export { createKeyLoader } from './create-key-loader.ts';
export { createSignatureVerifier } from './create-signature-verifier.ts';
export { gatherEvidence } from './gather-evidence.ts';
export { loadPolicy } from './load-policy.ts';
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
